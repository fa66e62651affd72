"""Reads the imports of every file and names each arrow that points the wrong way.

entries -> ui -> session -> training -> data -> text, record -> settings, errors and the like; a host may use
training's tools, training knows no host.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "training_pro"
GROUND = frozenset(
    {
        "errors",
        "host_job",
        "folders",
        "settings",
        "legacy_settings",
        "plan",
        "progress",
        "packages",
        "quiet",
        "small_files",
        "values",
        "words",
        "cgroup",
        "assets",
        "__version__",
    }
)  # no room of its own, and below all rooms
TOOLS = {"remote", "export", "hosts", "training", "data", "text", "record"}
MAY_USE = {
    "entry": {"cli", "ui", "session", "queue", "perplexity", "asking", "questions", *TOOLS},
    "cli": {"ui", "session", "queue", "perplexity", "asking", "questions", *TOOLS},
    "ui": {"session", "queue", "perplexity", "asking", "questions", *TOOLS},
    "session": {"queue", "perplexity", "asking", "questions", *TOOLS},
    "asking": {"hosts", "training", "data", "record"},
    "perplexity": {"hosts", "training", "data", "text", "record"},
    "questions": {"hosts", "training", "data", "text", "record"},
    "queue": {"training", "record"},
    "remote": {"hosts", "training", "record"},
    "export": {"hosts", "data", "record"},
    "hosts": {"training", "record"},
    "training": {"data", "text", "record"},
    "data": {"text", "record"},
    "text": set(),
    "record": set(),
    "ground": set(),
}
OUTSIDE_ONLY = {
    "modules": ("hosts/webui.py",),
    "gradio": ("ui/",),
    "matplotlib": ("record/graph.py",),
}
NEVER = {"text": {"torch", "transformers"}, "data": {"torch"}}
STANDARD_LIBRARY_ALONE = (
    "settings.py",
    "errors.py",
    "cgroup.py",
    "quiet.py",
    "small_files.py",
    "words.py",
    "training/controls.py",
)


@dataclass(frozen=True)
class Arrow:
    """`file` (seen from the package) imports `module`; `typing_only`: never when it runs."""

    file: str
    module: str
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.file} imports {self.module}"


def arrows_of(path: Path, shown: str) -> Iterator[Arrow]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{shown}:{node.lineno} imports relatively; the WebUI loads files by path"
            assert node.module
            names = [node.module] if node.module != PACKAGE else [f"{PACKAGE}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Arrow(shown, name, id(node) in typing_only) for name in names)


@cache
def all_arrows() -> list[Arrow]:
    package = ROOT / PACKAGE
    files = [(path, path.relative_to(package).as_posix()) for path in sorted(package.rglob("*.py"))]
    return [arrow for path, shown in [*files, (ROOT / "script.py", "script.py")] for arrow in arrows_of(path, shown)]


def room_of(file: str) -> str:
    if file in {"script.py", "__main__.py"}:
        return "entry"
    first = file.split("/")[0].removesuffix(".py")
    return "ground" if first in GROUND or first == "__init__" else first


def wrong_way(arrow: Arrow) -> bool:
    if not arrow.module.startswith(f"{PACKAGE}."):
        return False
    here, there = room_of(arrow.file), room_of(arrow.module.split(".")[1])
    return there != "ground" and here != there and there not in MAY_USE[here]


def outsider(arrow: Arrow) -> bool:
    top, here = arrow.module.split(".")[0], room_of(arrow.file)
    if top in NEVER.get(here, ()) and not arrow.typing_only:
        return True
    places = OUTSIDE_ONLY.get(top)
    return places is not None and not arrow.file.startswith(places)


def test_every_room_is_known() -> None:
    assert {room_of(arrow.file) for arrow in all_arrows()} <= set(MAY_USE)


def test_imports_point_one_way() -> None:
    assert [str(arrow) for arrow in all_arrows() if wrong_way(arrow)] == []


def test_gradio_modules_and_matplotlib_stay_in_their_places() -> None:
    assert [str(arrow) for arrow in all_arrows() if outsider(arrow)] == []


@pytest.mark.parametrize("file", STANDARD_LIBRARY_ALONE)
def test_the_ground_needs_the_standard_library_alone(file: str) -> None:
    found = [arrow for arrow in all_arrows() if arrow.file == file]
    assert found, f"{file} is gone; mend the list"
    tops = {arrow.module.split(".")[0] for arrow in found}
    assert tops - sys.stdlib_module_names - {PACKAGE} == set()


def test_training_pro_of_its_own_ground_stays_on_it() -> None:
    rooms = {room_of(arrow.module.split(".")[1]) for arrow in all_arrows() if _ground_to_package(arrow)}
    assert rooms <= {"ground"}


def _ground_to_package(arrow: Arrow) -> bool:
    return room_of(arrow.file) == "ground" and arrow.module.startswith(f"{PACKAGE}.")


@pytest.mark.parametrize(
    ("file", "module", "wrong"),
    [
        ("text/slicing.py", "training_pro.session", True),
        ("text/slicing.py", "torch", True),
        ("data/rows.py", "training_pro.text.blocks.slicing", False),
        ("training/run.py", "training_pro.hosts.host", True),
        ("hosts/standalone.py", "training_pro.training.model.snapshot", False),
        ("hosts/standalone.py", "modules.shared", True),
        ("hosts/webui.py", "modules.shared", False),
        ("ui/tab.py", "gradio", False),
        ("session.py", "gradio.components", True),
        ("session.py", "training_pro.ui.tab", True),
        ("script.py", "training_pro.ui.tab", False),
        ("record/graph.py", "matplotlib.pyplot", False),
        ("record/card.py", "matplotlib.pyplot", True),
        ("errors.py", "training_pro.text.blocks.slicing", True),
    ],
)
def test_the_rules_tell_right_from_wrong(file: str, module: str, wrong: bool) -> None:
    arrow = Arrow(file, module, typing_only=False)
    assert (wrong_way(arrow) or outsider(arrow)) == wrong
