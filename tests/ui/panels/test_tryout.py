from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.record.adapters import make_adapter
from tests.ui.made import NASTY
from tests.ui.stand_ins import StandInRun, StandInSession, drawn, press
from tests.ui.views.test_markup import Reader
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.training.status import Ending
from training_pro.ui.panels.tryout import LAST, LAST_CHOICE, TryOut, answers_view, as_chat


class Panel:
    """The panel on a page of its own."""

    def __init__(self, folders: Folders) -> None:
        self.session = StandInSession(folders)
        self.host = self.session.host
        with gr.Blocks() as self.blocks:
            self.tryout = TryOut(self.session)
            self.tryout.build()
            self.tryout.connect()

    def said(self, control: Any, *given: Any) -> str:
        return str(press(self.blocks, control, *given)[self.tryout.said])

    def ask(self, name: str | None = "sea", prompt: str = "Hello", chat: bool = False) -> str:
        return self.said(self.tryout.ask, name, prompt, 8, chat)


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_the_same_is_asked_without_and_with_the_lora(panel: Panel) -> None:
    words = Reader(panel.ask()).words
    assert panel.host.asked == [("Hello", ()), ("Hello", ("sea",))]
    assert words.index("8 tokens with nothing") < words.index("8 tokens with sea")
    assert panel.host.on == []


def test_the_lora_that_was_on_is_on_again(panel: Panel) -> None:
    panel.host.on = ["hill"]
    panel.ask()
    assert panel.host.on == ["hill"]


def test_a_lora_that_does_not_fit_leaves_the_host_as_it_was(panel: Panel) -> None:
    panel.host.on, panel.host.misfits = ["hill"], {"sea"}
    assert "can&#x27;t be put on" in panel.ask()
    assert panel.host.on == ["hill"]


def test_several_loras_are_not_touched(panel: Panel) -> None:
    panel.host.on = ["a", "b"]
    assert "(a, b)" in panel.ask()
    assert panel.host.on == ["a", "b"] and panel.host.asked == []


def test_the_last_runs_lora_needs_a_run(panel: Panel, folders: Folders) -> None:
    assert "no run yet" in panel.ask(LAST)
    panel.session.run = StandInRun(folders, Settings(name="mine"), phase="ended")
    panel.ask(LAST)
    assert panel.host.asked[-1] == ("Hello", ("mine",))


def test_while_a_run_goes_nothing_is_asked_or_changed(panel: Panel, folders: Folders) -> None:
    panel.session.run = StandInRun(folders, Settings(name="mine"))
    for said in (panel.ask(), panel.said(panel.tryout.put_on, "sea"), panel.said(panel.tryout.take_off)):
        assert "The model is in training" in said
    assert panel.host.asked == [] and panel.host.on == []


def test_on_and_off_with_one_click_each(panel: Panel) -> None:
    assert drawn(panel.tryout, "try-state") == ""
    panel.said(panel.tryout.put_on, "sea")
    assert panel.host.on == ["sea"] and "&quot;sea&quot;" in drawn(panel.tryout, "try-state")
    panel.said(panel.tryout.take_off)
    assert panel.host.on == [] and drawn(panel.tryout, "try-state") == ""


def test_words_of_the_list_that_stand_for_nothing_chosen_are_no_name(panel: Panel, folders: Folders) -> None:
    """Gradio 4 sends them when the list was opened and left."""
    ended = Ending("finished", "all updates are done")
    panel.session.run = StandInRun(folders, Settings(name="mine"), phase="ended", ending=ended)
    panel.said(panel.tryout.put_on, LAST_CHOICE[0])
    assert panel.host.on == ["mine"]


def test_only_what_has_an_adapter_is_listed(panel: Panel, folders: Folders) -> None:
    make_adapter(folders.loras / "sea")
    (folders.loras / "begun").mkdir()
    (folders.loras / "begun" / "training_parameters.json").write_text("{}")
    assert panel.tryout.lists()[panel.tryout.name]["choices"] == [("The last run's", LAST), ("sea", "sea")]


class Chatty:
    """A tokenizer with a template, that may put a BOS before everything."""

    bos_token, bos_token_id, chat_template = "<s>", 1, "there is one"

    def __init__(self, adds_bos: bool) -> None:
        self._adds_bos = adds_bos

    def __call__(self, words: str) -> dict[str, list[int]]:
        return {"input_ids": [1, 7] if self._adds_bos else [7]}

    def apply_chat_template(self, messages: Any, **how: Any) -> str:
        assert how == {"tokenize": False, "add_generation_prompt": True}
        return f"<s>[{messages[0]['content']}]"


def test_a_chat_turn_never_gets_two_bos() -> None:
    assert as_chat(Chatty(adds_bos=True), "Hello") == "[Hello]"
    assert as_chat(Chatty(adds_bos=False), "Hello") == "<s>[Hello]"


def test_a_model_without_a_template_can_not_be_asked_as_a_chat(panel: Panel) -> None:
    with pytest.raises(RunError, match="no chat template"):
        as_chat(SimpleNamespace(chat_template=None), "Hello")
    assert "no chat template" in panel.ask(chat=True)
    assert panel.host.asked == []


def test_answers_are_text() -> None:
    html = answers_view([(NASTY, NASTY), ("nobody", "")])
    assert "img" not in Reader(html).tags
    assert "nothing" in Reader(html).words
