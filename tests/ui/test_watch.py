from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.ui.made import points
from tests.ui.stand_ins import StandInHistory, StandInRun, StandInSession, page, press
from training_pro.folders import Folders
from training_pro.record.history import Event
from training_pro.settings import Settings
from training_pro.training.ending import Ending
from training_pro.ui.watch import Seen, Watch, _look


class Panel:
    """The panel on a page of its own; `looks` is one look of that page."""

    def __init__(self, folders: Folders, editable: bool = True) -> None:
        self.folders = folders
        self.session = StandInSession(folders)
        with gr.Blocks() as self.blocks:
            self.watch = Watch(self.session)
            self.watch.build_host()
            self.watch.build_status()
            self.watch.build()
            self.watch.connect(editable)

    def start(self, **settings: Any) -> StandInRun:
        history = StandInHistory(points([3.0, 2.0]), (Event("checkpoint", 1, "by button"),))
        self.session.run = StandInRun(self.folders, Settings(**{"name": "mine", **settings}), history)
        return self.session.run

    def look(self, seen: Seen) -> dict[Any, Any]:
        watch = self.watch
        return watch._status_changes(seen) | watch._history_changes(seen) | watch._changes_around(seen)

    def settled(self, seen: Seen) -> None:
        """Look until there is nothing new."""
        for _ in range(4):
            seen.chart_at = -1e9
            self.look(seen)
        assert self.look(seen) == {}


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def end(run: StandInRun, kind: Any = "finished") -> None:
    run.status = replace(run.status, phase="ended", ending=Ending(kind, "because"))


def test_a_page_that_opens_is_sent_everything_and_then_only_changes(panel: Panel) -> None:
    run, seen = panel.start(), Seen()
    first = panel.look(seen)
    for part in (panel.watch.host, panel.watch.status, panel.watch.chart, panel.watch.checkpoints):
        assert part in first
    panel.settled(seen)
    run.status = replace(run.status, phase="paused")
    assert set(panel.look(seen)) == {panel.watch.status}


def test_two_pages_are_sent_the_same_each_for_itself(panel: Panel) -> None:
    panel.start()
    one, two = Seen(), Seen()
    first = panel.look(one)
    panel.settled(one)
    assert panel.look(two)[panel.watch.status] == first[panel.watch.status]


def test_a_chart_is_drawn_once_for_pages_that_see_alike(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr("training_pro.ui.watch.run_chart", lambda *_: drawn.append(1) or "chart")
    panel.start()
    for _ in range(3):
        assert panel.look(Seen())[panel.watch.chart] == "chart"
    assert len(drawn) == 1


def test_buttons_are_those_that_make_sense_now(panel: Panel) -> None:
    run, watch = panel.start(), panel.watch
    going = panel.look(Seen())
    assert going[watch.interrupt]["interactive"] and going[watch.pause]["interactive"]
    assert not going[watch.resume]["interactive"] and not going[watch.sample]["interactive"]
    run.controls.pause()
    held = panel.look(Seen())
    assert held[watch.resume]["interactive"] and not held[watch.pause]["interactive"]
    end(run)
    over = panel.look(Seen())
    assert not any(over[b]["interactive"] for b in (watch.interrupt, watch.pause, watch.resume, watch.checkpoint))


def test_samples_can_be_asked_for_where_there_are_prompts(panel: Panel) -> None:
    panel.start(sample_prompts="Hello")
    assert panel.look(Seen())[panel.watch.sample]["interactive"]


def test_each_button_steers_the_run_and_says_so(panel: Panel) -> None:
    run, watch = panel.start(), panel.watch
    assert "queued" in press(panel.blocks, watch.checkpoint)[watch.said] and run.controls.checkpoint_asked
    press(panel.blocks, watch.pause)
    assert run.controls.paused
    press(panel.blocks, watch.resume)
    assert not run.controls.paused
    press(panel.blocks, watch.interrupt)
    assert run.controls.interrupt_reason


def test_without_a_run_a_button_says_so(panel: Panel) -> None:
    for pressed in (panel.watch.interrupt, panel.watch.checkpoint, panel.watch.pause, panel.watch.sample):
        assert "No run is going" in press(panel.blocks, pressed)[panel.watch.said]


def test_a_live_value_goes_to_the_run_and_a_wrong_one_is_refused(panel: Panel) -> None:
    run, slider = panel.start(), panel.watch.live["stop_at_loss"]
    press(panel.blocks, slider, 1.5, event="release")
    assert run.controls.values.stop_at_loss == 1.5
    said = press(panel.blocks, panel.watch.live["learning_rate_scale"], -1, event="input")[panel.watch.said]
    assert "Learning rate scale" in said
    assert run.controls.values.learning_rate_scale == 1.0
    press(panel.blocks, slider, None, event="release")
    assert run.controls.values.stop_at_loss == 1.5


def test_a_slider_in_a_hand_is_not_pulled_away(panel: Panel) -> None:
    run, seen, slider = panel.start(), Seen(), panel.watch.live["stop_at_loss"]
    panel.settled(seen)
    for value in (1.0, 1.1, 1.2):
        run.controls.set(stop_at_loss=value)
        assert slider not in panel.look(seen)
    assert panel.look(seen)[slider]["value"] == 1.2


def test_a_lora_that_is_on_brings_the_button_that_takes_it_off(panel: Panel) -> None:
    watch, seen = panel.watch, Seen()
    assert panel.look(seen)[watch.loras_off]["visible"] is False
    panel.session.host.on = ["sea"]
    assert panel.look(seen)[watch.loras_off]["visible"] is True
    assert press(panel.blocks, watch.loras_off)[watch.loras_off]["visible"] is False
    assert panel.session.host.on == []


def test_what_stands_against_a_run_is_told_as_soon_as_it_does(panel: Panel) -> None:
    seen = Seen()
    panel.settled(seen)
    panel.session.host.stands = "The model is writing a reply right now."
    assert "writing a reply" in panel.look(seen)[panel.watch.host]
    panel.session.host.stands = ""
    assert "writing a reply" not in panel.look(seen)[panel.watch.host]


def test_the_chart_is_drawn_as_this_page_wants_it(panel: Panel) -> None:
    panel.start()
    assert "tp-line tp-memory" in panel.watch._see("memory_mb", 0, False, page("one"))[panel.watch.chart]
    assert "tp-line tp-memory" not in panel.watch._see("learning_rate", 3, True, page("two"))[panel.watch.chart]
    assert panel.watch._pages["one"].view.measure == "memory_mb"
    panel.session.run = None
    assert panel.watch._see("memory_mb", None, False, page("one")) == {panel.watch.said: ""}


def test_a_fault_in_what_is_watched_is_told_and_watching_goes_on(panel: Panel) -> None:
    panel.session.run = SimpleNamespace(status=SimpleNamespace(running=True))
    look, status = partial(panel.watch._status_changes, Seen()), panel.watch.status
    updates, pause_s = asyncio.run(_look(look, status))
    assert "went wrong while showing the run" in updates[panel.watch.status] and pause_s > 1
    panel.start()
    updates, _ = asyncio.run(_look(look, status))
    assert "training" in updates[panel.watch.status]


async def _first_two(panel: Panel) -> list[dict[Any, Any]]:
    following = panel.watch.follow_history(page("one"))
    first = await following.__anext__()
    assert "one" in panel.watch._pages
    end(panel.session.run)
    second = await following.__anext__()
    await following.aclose()
    return [first, second]


def test_a_page_is_followed_until_it_closes_and_then_forgotten(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.ui.watch.PACE_S", 0.0)
    panel.start()
    first, second = asyncio.run(_first_two(panel))
    assert "tp-chart" in first[panel.watch.chart] and set(second) == {panel.watch.chart}
    assert panel.watch._pages == {}


async def _beats(panel: Panel, count: int) -> list[dict[Any, Any]]:
    following = panel.watch.follow_status()
    found = [await following.__anext__() for _ in range(count)]
    await following.aclose()
    return found


def test_a_quiet_page_is_sent_a_beat_now_and_then(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that was closed is only noticed when something is sent to it."""
    monkeypatch.setattr("training_pro.ui.watch.PACE_S", 0.0)
    assert set(asyncio.run(_beats(panel, 3))[-1]) == {panel.watch.status}


class Other:
    """A further panel that counts what it is asked."""

    def __init__(self) -> None:
        self.box = gr.HTML()

    @property
    def followed(self) -> list[Any]:
        return [self.box]

    def changes(self, seen: Seen) -> dict[Any, Any]:
        return {self.box: "new"} if seen.changed("other", 1) else {}


def test_other_panels_are_followed_along(folders: Folders) -> None:
    with gr.Blocks():
        other = Other()
        watch = Watch(StandInSession(folders), [other])
        watch.build_host()
        watch.build_status()
        watch.build()
    assert other.box in watch._around()
    seen = Seen()
    assert watch._changes_around(seen)[other.box] == "new"
    assert other.box not in watch._changes_around(seen)
