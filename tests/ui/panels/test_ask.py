from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.record.adapters import make_adapter, make_checkpoint
from tests.ui.stand_ins import StandInRun, StandInSession, press
from training_pro.asking.question import BASE, Sampling, Voice
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.ui.lora_chooser import THE_BASE, THE_LAST
from training_pro.ui.panels.ask import Ask, act_on


class Panel:
    """The panel on a page of its own."""

    def __init__(self, folders: Folders) -> None:
        self.session = StandInSession(folders)
        with gr.Blocks() as self.blocks:
            self.ask = Ask(self.session, "ask")
            self.ask.build()
            self.ask.connect()

    def press(self, **typed: Any) -> str:
        """Press Ask with the fields as they are built, but for `typed`; what is said."""
        ask = self.ask
        fields = ("prompt", "strength", "framing", "blind", "tokens", "temperature", "top_p", "penalty", "seed")
        controls = {name: getattr(ask, name) for name in fields} | {"who": ask.chooser.control}
        data = {control: typed.get(name, control.value) for name, control in controls.items()}
        return str(press(self.blocks, ask.ask, data)[ask.said])


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_the_last_run_is_asked_beside_the_base_model(panel: Panel, folders: Folders) -> None:
    assert "no run yet" in panel.press(prompt="Hello")
    panel.session.run = StandInRun(folders, Settings(name="mine"), phase="ended")
    assert panel.press(prompt="Hello") == ""
    (question,) = panel.session.asked
    assert (question.prompt, question.voices, question.framing) == ("Hello", (Voice(BASE), Voice("mine")), "trained")
    assert question.sampling == Sampling() and not question.blind


def test_what_is_chosen_is_asked(panel: Panel) -> None:
    panel.press(prompt="Hi", who=["sea", "sea/checkpoint-4"], strength="0.5; 1", framing="chat", blind=True, seed=3)
    (question,) = panel.session.asked
    voices = (Voice("sea", 0.5), Voice("sea"), Voice("sea/checkpoint-4", 0.5), Voice("sea/checkpoint-4"))
    assert (question.voices, question.framing, question.blind, question.sampling.seed) == (voices, "chat", True, 3)


@pytest.mark.parametrize(
    ("typed", "said"), [({"strength": "half"}, "half"), ({"temperature": None}, "Temperature is empty")]
)
def test_what_is_no_number_is_said(typed: dict[str, Any], said: str, panel: Panel) -> None:
    assert said in panel.press(prompt="Hello", who=["sea"], **typed)
    assert panel.session.asked == []


def test_while_a_run_is_training_nothing_is_asked(panel: Panel, folders: Folders) -> None:
    panel.session.run = StandInRun(folders, Settings(name="mine"))
    assert "mine" in panel.press(prompt="Hello", who=["sea"])
    assert panel.session.asked == []


def test_only_what_can_be_used_is_listed_whoever_else_is_there(panel: Panel, folders: Folders) -> None:
    make_checkpoint(make_adapter(folders.loras / "sea"), "checkpoint-4")
    (folders.loras / "begun").mkdir()
    (folders.loras / "begun" / "training_parameters.json").write_text("{}")
    choices = panel.ask.chooser.lists()[panel.ask.chooser.control]["choices"]
    assert [value for _, value in choices] == [THE_BASE[1], THE_LAST[1], "sea", "sea/checkpoint-4"]


def test_words_of_the_list_stand_for_what_they_say(panel: Panel) -> None:
    """Gradio 4 sends them when the list was opened and left."""
    assert panel.ask.chooser.chosen([THE_BASE[0], "sea"]) == [BASE, "sea"]


def test_buttons_among_the_answers_reach_the_question(panel: Panel) -> None:
    with pytest.raises(RunError, match="Nothing has been asked"):
        act_on(panel.session, "reveal")
    done: list[Any] = []
    panel.session.asking = SimpleNamespace(
        cancel=lambda: done.append("cancel"), reveal=lambda: done.append("reveal"), vote=done.append
    )
    for wanted in ("cancel", "vote 1", "vote -1", "reveal"):
        act_on(panel.session, wanted)
    assert done == ["cancel", 1, -1, "reveal"]
