"""The extension's script, loaded and asked as the WebUI does it."""

from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import training_pro.session
from tests.hosts.fake_webui import FakeWebUI

SCRIPT = Path(__file__).parents[1] / "script.py"


@pytest.fixture
def webui(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWebUI]:
    fake = FakeWebUI(tmp_path / "user_data")
    (tmp_path / "user_data" / "models" / "tiny").symlink_to(tiny_folder)
    monkeypatch.setattr(training_pro.session, "_current", [])
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(SCRIPT.parent)])
    with fake.installed():
        fake.choose_model("tiny")
        yield fake


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The sessions for which a tab was built, and the texts shown instead."""
    shown: list[Any] = []
    fake: Any = ModuleType("training_pro.ui.tab")
    fake.build_tab = shown.append
    monkeypatch.setitem(sys.modules, "training_pro.ui.tab", fake)
    monkeypatch.setattr("training_pro.ui.notice.notice", shown.append)
    return shown


def load_script() -> Any:
    """Each time anew, under the name that the WebUI gives it."""
    spec = importlib.util.spec_from_file_location("user_ext_training_pro", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_a_tab(webui: FakeWebUI, tab: list[Any]) -> None:
    script = load_script()
    script.setup()
    script.ui()
    assert script.params["is_tab"]
    assert script.params["display_name"] == "Training PRO"
    assert [shown.host.name for shown in tab] == ["webui"]
    assert ".training-pro .tp-box" in script.custom_css() and ".training-pro .form" in script.custom_css()
    assert isinstance(script.custom_js(), str)


def test_the_session_outlives_a_restart_of_the_interface(webui: FakeWebUI, tab: list[Any]) -> None:
    first, second = load_script(), load_script()
    first.setup()
    second.setup()
    first.ui()
    second.ui()
    assert first is not second
    assert tab[0] is tab[1]


def test_chat_is_taken_over_only_while_a_run_holds_the_model(webui: FakeWebUI, tab: list[Any]) -> None:
    script = load_script()
    assert not hasattr(script, "custom_generate_reply")
    with script.session().host.hold(lambda: "In training."):
        assert hasattr(script, "custom_generate_reply")
        assert hasattr(load_script(), "custom_generate_reply")
        assert list(script.custom_generate_reply("q", "q", {}, [], is_chat=False)) == ["In training."]
    assert not hasattr(script, "custom_generate_reply")


@pytest.mark.parametrize("name", ["input_modifier", "output_modifier", "state_modifier", "custom_tokenized_length"])
def test_it_offers_nothing_else(webui: FakeWebUI, tab: list[Any], name: str) -> None:
    assert not hasattr(load_script(), name)


def test_a_missing_package_becomes_a_sentence_on_the_tab(
    webui: FakeWebUI, tab: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = builtins.__import__

    def without_it(name: str, *more: Any) -> Any:
        if name == "training_pro.ui.tab":
            raise ModuleNotFoundError("No module named 'some_package.part'", name="some_package.part")
        return genuine(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_it)
    script = load_script()
    script.setup()
    script.ui()
    assert not hasattr(script, "custom_generate_reply")
    assert len(tab) == 1
    assert "some_package (needed to start)" in tab[0]
    assert "requirements.txt" in tab[0]
