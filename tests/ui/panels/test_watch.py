from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from tests.ui.made import points
from tests.ui.stand_ins import StandInHistory, StandInRun, StandInSession, drawn, press, pulled
from training_pro.folders import Folders
from training_pro.record.history import Event
from training_pro.settings import Settings
from training_pro.training.status import Ending
from training_pro.ui.panels import watch as module
from training_pro.ui.panels.watch import Watch


class Panel:
    """The panel on a page of its own."""

    def __init__(self, folders: Folders, editable: bool = True) -> None:
        self.folders = folders
        self.session = StandInSession(folders)
        with gr.Blocks() as self.blocks:
            self.watch = Watch(self.session, editable)
            self.watch.build_top()
            self.watch.build()
            self.watch.connect()

    def start(self, **settings: Any) -> StandInRun:
        history = StandInHistory(points([3.0, 2.0]), (Event("checkpoint", 1, "by button"),))
        self.session.run = StandInRun(self.folders, Settings(**{"name": "mine", **settings}), history)
        return self.session.run

    def stamps(self) -> dict[str, Any]:
        stamps = {shown.name: shown.stamp() for shown in self.watch.shown}
        return stamps | {one.name: one.stamp() for one in self.watch.pulled}

    def changed(self, before: dict[str, Any]) -> set[str]:
        return {name for name, stamp in self.stamps().items() if stamp != before[name]}


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def end(run: StandInRun, kind: Any = "finished") -> None:
    run.status = replace(run.status, phase="ended", ending=Ending(kind, "because"))


def test_all_of_a_run_is_shown_and_only_what_is_another_is_another(panel: Panel) -> None:
    run = panel.start()
    assert "tiny" in drawn(panel.watch, "host") and "Training" in drawn(panel.watch, "status")
    assert "by button" in drawn(panel.watch, "checkpoints")
    before = panel.stamps()
    assert panel.changed(before) == set()
    run.status = replace(run.status, phase="paused")
    assert panel.changed(before) == {"status", "steered"}  # that it will pause is no longer said
    assert "paused" in drawn(panel.watch, "status")


def test_without_a_run_nothing_of_one_is_shown(panel: Panel) -> None:
    assert drawn(panel.watch, "status") == drawn(panel.watch, "checkpoints") == drawn(panel.watch, "samples") == ""
    buttons, live = pulled(panel.watch, "buttons"), pulled(panel.watch, "live")
    assert buttons.pop(panel.watch.refused) == ""
    assert not any(button["interactive"] for button in buttons.values())
    assert buttons[panel.watch.checkpoint]["value"] == "Save checkpoint"
    assert live[panel.watch.live["stop_at_loss"]] == gr.update(value=0.0, interactive=False)


def test_buttons_are_those_that_make_sense_now(panel: Panel) -> None:
    run, watch = panel.start(), panel.watch
    going = pulled(panel.watch, "buttons")
    assert going[watch.interrupt]["interactive"] and going[watch.pause]["interactive"]
    assert going[watch.pause]["visible"] and not going[watch.resume]["visible"]
    run.controls.pause()
    held = pulled(panel.watch, "buttons")
    assert held[watch.resume]["visible"] and not held[watch.pause]["visible"]
    end(run)
    over = pulled(panel.watch, "buttons")
    assert not any(over[b]["interactive"] for b in (watch.interrupt, watch.pause, watch.resume, watch.checkpoint))


def test_samples_can_be_asked_for_and_without_prompts_it_is_said_what_is_missing(panel: Panel) -> None:
    run = panel.start()
    assert "no sample prompt" in press(panel.blocks, panel.watch.sample)[panel.watch.said]
    assert not run.controls.sample_asked
    run = panel.start(sample_prompts="Hello")
    assert "are answered after" in press(panel.blocks, panel.watch.sample)[panel.watch.said]
    assert run.controls.sample_asked


def test_each_button_steers_the_run_and_says_so(panel: Panel) -> None:
    run, watch = panel.start(), panel.watch
    assert "checkpoint is saved" in press(panel.blocks, watch.checkpoint)[watch.said] and run.controls.checkpoint_asked
    press(panel.blocks, watch.pause)
    assert run.controls.paused
    press(panel.blocks, watch.resume)
    assert not run.controls.paused
    press(panel.blocks, watch.interrupt)
    assert run.controls.interrupt_reason


def test_what_was_said_of_a_run_goes_with_its_end_and_with_the_next(panel: Panel) -> None:
    run = panel.start()
    before = panel.stamps()
    end(run)
    assert "steered" in panel.changed(before)
    before = panel.stamps()
    panel.start()
    assert "steered" in panel.changed(before)
    assert pulled(panel.watch, "steered") == {panel.watch.said: ""}


def test_without_a_run_a_button_says_so(panel: Panel) -> None:
    for pressed in (panel.watch.interrupt, panel.watch.checkpoint, panel.watch.pause, panel.watch.sample):
        assert "No run is in progress" in press(panel.blocks, pressed)[panel.watch.said]


def test_a_live_value_goes_to_the_run_and_a_wrong_one_is_refused(panel: Panel) -> None:
    run = panel.start()

    def move(name: str, value: float | None) -> Any:
        given = json.dumps({name: value})
        return press(panel.blocks, panel.watch.moved.button, given)[panel.watch.refused]

    assert move("stop_at_loss", 1.5) == "" and run.controls.values.stop_at_loss == 1.5
    assert "Learning rate × is -1; it must be" in move("learning_rate_scale", -1)
    said = move("stop_at_epoch", 0.5)
    assert "Stop at Epoch is 0.5" in said and "stop_at_epoch" not in said
    assert run.controls.values.learning_rate_scale == 1.0
    said = press(panel.blocks, panel.watch.moved.button, json.dumps({"stop_at_loss": 99}))
    assert "99" in said[panel.watch.refused] and said[panel.watch.live["stop_at_loss"]]["value"] == 1.5
    move("stop_at_loss", None)
    assert run.controls.values.stop_at_loss == 1.5
    several = json.dumps({"stop_at_loss": 1.2, "stop_at_epoch": 2.0, "seed": 7})
    assert press(panel.blocks, panel.watch.moved.button, several)[panel.watch.refused] == ""
    assert (run.controls.values.stop_at_loss, run.controls.values.stop_at_epoch) == (1.2, 2.0)
    before = panel.stamps()
    run.controls.end("the loss reached the stop loss 5")
    assert {"buttons", "live"} <= set(panel.changed(before))
    assert "Too late" in move("stop_at_loss", 3.2) and run.controls.values.stop_at_loss == 1.2
    assert not pulled(panel.watch, "live")[panel.watch.live["stop_at_loss"]]["interactive"]
    assert not pulled(panel.watch, "buttons")[panel.watch.interrupt]["interactive"]


def test_after_stop_no_live_value_can_be_moved(panel: Panel) -> None:
    run = panel.start()
    before = panel.stamps()
    run.controls.interrupt()
    assert {"buttons", "live"} <= set(panel.changed(before))
    assert not pulled(panel.watch, "live")[panel.watch.live["stop_at_loss"]]["interactive"]


def test_a_slider_in_a_hand_is_not_pulled_away(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    run = panel.start()
    monkeypatch.setattr(module, "REST_S", 1000.0)
    before = panel.stamps()
    for value in (1.0, 1.1, 1.2):
        run.controls.set(stop_at_loss=value)
        assert "live" not in panel.changed(before)
    monkeypatch.setattr(module, "REST_S", 0.0)
    assert "live" in panel.changed(before)
    slider = pulled(panel.watch, "live")[panel.watch.live["stop_at_loss"]]
    assert slider["value"] == 1.2 and slider["interactive"]
    end(run)
    assert not pulled(panel.watch, "live")[panel.watch.live["stop_at_loss"]]["interactive"]


def test_a_lora_that_is_loaded_is_named_in_the_line_at_the_top(panel: Panel) -> None:
    before = panel.stamps()
    panel.session.host.on = ["sea"]
    assert "host" in panel.changed(before) and "with sea" in drawn(panel.watch, "host")


def test_what_stands_against_a_run_is_told_as_soon_as_it_does(panel: Panel) -> None:
    before = panel.stamps()
    panel.session.host.stands = "The model is writing a reply right now."
    assert "host" in panel.changed(before) and "writing a reply" in drawn(panel.watch, "host")
    panel.session.host.stands = ""
    assert panel.changed(before) == set() and "writing a reply" not in drawn(panel.watch, "host")
