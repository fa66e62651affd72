"""The queue's panel, without a browser."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.queue.fake_session import make_run
from tests.ui.stand_ins import StandInSession, build_form, drawn, press, pulled
from training_pro.errors import Fault, SettingsError
from training_pro.folders import Folders
from training_pro.record.state import starting_state
from training_pro.settings import Settings
from training_pro.ui.fields import shown_value
from training_pro.ui.form import TEXT, Form
from training_pro.ui.panels.queue import QueuePanel


class Session(StandInSession):
    """That of the stand-ins, which finds fault with `bad` names alone."""

    bad: tuple[str, ...] = ()

    def vet(self, settings: Settings) -> list[Fault]:
        return [Fault("No data is chosen.")] if settings.name in self.bad else []


class Panel:
    def __init__(self, folders: Folders, editable: bool = True) -> None:
        self.session = Session(folders)
        with gr.Blocks() as self.blocks:
            self.form = Form(editable)
            build_form(self.form)
            self.queue = QueuePanel(self.session, self.form, editable)
            if editable:
                self.queue.build_add()
            self.queue.build()
            self.queue.connect()

    def data(self, name: str, **more: Any) -> dict[Any, Any]:
        values = {**vars(Settings(name=name)), **more}
        found = {control: shown_value(setting, values[setting]) for setting, control in self.form.controls.items()}
        return {**found, self.form.kind: TEXT, self.queue.over: "rank", self.queue.values: "4,8"}

    def press(self, control: Any, *given: Any) -> dict[Any, Any]:
        return press(self.blocks, control, *given)

    def add(self, *names: str) -> None:
        for name in names:
            assert "waits" in self.press(self.queue.add, self.data(name))[self.queue.added]

    def names(self) -> list[str]:
        return [entry.name for entry in self.session.queue.view().entries]

    def key(self, name: str) -> str:
        return next(entry.key for entry in self.session.queue.view().entries if entry.name == name)


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_a_run_is_added_once_and_shown_at_once(panel: Panel) -> None:
    answer = panel.press(panel.queue.add, panel.data("red"))
    assert "red" in drawn(panel.queue, "queue-table") and answer[panel.queue.start]["interactive"]
    again = panel.press(panel.queue.add, panel.data("red"))
    assert "in the queue already" in again[panel.queue.added]
    assert panel.names() == ["red"]


def test_faults_are_said_where_the_button_is(panel: Panel) -> None:
    panel.session.bad = ("blue",)
    assert "No data is chosen" in panel.press(panel.queue.add, panel.data("blue"))[panel.queue.added]
    assert "Epochs" in panel.press(panel.queue.add, panel.data("red", epochs=-1))[panel.queue.added]
    assert panel.names() == []


def test_runs_are_moved_and_taken_off(panel: Panel) -> None:
    panel.add("red", "blue", "cyan")
    panel.queue.edit(f"up {panel.key('cyan')}")
    panel.queue.edit(f"down {panel.key('red')}")
    assert panel.names() == ["cyan", "red", "blue"]
    key = panel.key("red")
    panel.press(panel.queue.hand.button, f"remove {key}")
    assert panel.names() == ["cyan", "blue"]
    assert "no longer in the queue" in panel.press(panel.queue.hand.button, f"remove {key}")[panel.queue.said]
    assert "can&#x27;t be done" in panel.press(panel.queue.hand.button, "fly away")[panel.queue.said]


def test_what_was_said_of_the_queue_goes_with_its_end(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    (said,) = [one for one in panel.queue.pulled if one.name == "queue-said"]
    stamps = []
    for going in (False, True, True, False, False, True):
        monkeypatch.setattr(type(panel.session.queue), "going", property(lambda _, going=going: going))
        stamps.append(said.stamp())
    assert stamps == [0, 0, 0, 1, 1, 1]
    assert said.updates() == {panel.queue.added: "", panel.queue.said: ""}
    panel.press(panel.queue.clear)
    assert said.updates() == {}, "what was said since then stays"


def test_what_stands_against_a_run_stands_against_the_queue(panel: Panel) -> None:
    assert "No run is waiting" in panel.press(panel.queue.start)[panel.queue.said]
    panel.add("red")
    panel.session.host.stands = "No model is loaded."
    assert "No model is loaded" in panel.press(panel.queue.start)[panel.queue.said]
    assert not panel.session.queue.going
    for control in (panel.queue.stop, panel.queue.interrupt):
        assert "not running" in panel.press(control)[panel.queue.said]


def test_an_experiment_is_added_with_all_faults_at_once(panel: Panel) -> None:
    answer = panel.press(panel.queue.add_all, panel.data("study"))
    assert "2 runs of study-rank wait" in answer[panel.queue.said]
    assert panel.names() == ["study-rank-4", "study-rank-8"]
    wrong = panel.press(panel.queue.add_all, {**panel.data("study"), panel.queue.values: "0,many"})
    assert "from 1" in wrong[panel.queue.said] and "many" in wrong[panel.queue.said]


def test_what_is_at_its_end_of_an_experiment_is_compared(panel: Panel) -> None:
    ended = starting_state(9, "tiny", "", "").ended("finished", "all updates are done")
    base = panel.form.settings(panel.data("study"))
    for rank in (4, 8):
        one = base.changed(name=f"study-rank-{rank}", rank=rank)
        make_run(panel.session.host.folders.loras / one.name, one, ended)
    answer = panel.press(panel.queue.add_all, panel.data("study"))
    assert "Finished already: study-rank-4, study-rank-8" in answer[panel.queue.said]
    assert "LoRA Rank" in drawn(panel.queue, "queue-result") and "finished" in drawn(panel.queue, "queue-table")
    assert "2 removed" in panel.press(panel.queue.clear)[panel.queue.said]


def test_in_multi_user_mode_there_is_only_the_list(folders: Folders) -> None:
    panel = Panel(folders, editable=False)
    assert {shown.name for shown in panel.queue.shown} == {"queue-table", "queue-result"}
    assert panel.queue.pulled == []


def test_the_list_is_another_when_a_run_is_added_and_not_without(panel: Panel) -> None:
    stamps = [shown.stamp for shown in panel.queue.shown][:1] + [lambda: panel.queue.pulled[0].stamp()]
    before = [stamp() for stamp in stamps]
    assert [stamp() for stamp in stamps] == before
    panel.add("red")
    assert all(stamp() != old for stamp, old in zip(stamps, before, strict=True))
    assert pulled(panel.queue, "queue")[panel.queue.start]["interactive"]
    with pytest.raises(SettingsError):
        panel.session.queue.add([Settings(name="red")])
