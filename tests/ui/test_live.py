from __future__ import annotations

import json
import threading
import time
from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import look
from training_pro.ui.live import (
    AFTER_A_FAULT_S,
    LOOK,
    PACE_S,
    QUIET_PACE_S,
    SCRIPT,
    Follows,
    LiveUpdates,
    Pulled,
    Shown,
)


class Panel(Follows):
    """A panel that counts how often it draws."""

    def __init__(self) -> None:
        self.number = 1
        self.drawn = 0
        self.slow: threading.Event | None = None
        self.chosen = 1
        self.fault: Exception | None = None
        self.box = gr.Textbox()

    @property
    def shown(self) -> list[Shown]:
        return [
            Shown("one", self._stamp, self._draw),
            Shown("other", lambda: 0, lambda: "<p>other</p>"),
        ]

    @property
    def pulled(self) -> list[Pulled]:
        return [Pulled("choice", lambda: self.chosen, [self.box], self._updates)]

    def _stamp(self) -> int:
        if self.fault:
            raise self.fault
        return self.number

    def _draw(self) -> str:
        self.drawn += 1
        if self.slow is not None:
            self.slow.wait(20)
        return f"<b>{self.number}</b>"

    def _updates(self) -> dict[Any, Any]:
        if self.fault:
            raise self.fault
        return {self.box: str(self.chosen)}


class Page:
    def __init__(self) -> None:
        self.goes = True
        self.asked: list[tuple[dict[str, Any], int]] = []
        self.fault: Exception | None = None
        with gr.Blocks() as self.blocks:
            self.panel = Panel()
            self.live = LiveUpdates([self.panel], lambda: {"name": "mine"}, self.pace_s, self)
            self.live.build()
            self.live.connect(self.blocks)

    def pace_s(self) -> float:
        return PACE_S if self.goes else QUIET_PACE_S

    def table(self) -> str:
        return "update,loss\n"

    def news(self, have: dict[str, Any], smoothing: int) -> dict[str, Any] | None:
        if self.fault:
            raise self.fault
        self.asked.append((have, smoothing))
        return {"key": "k"} if not have else None


@pytest.fixture
def page() -> Page:
    return Page()


def test_a_page_is_given_everything_and_then_only_what_is_new(page: Page) -> None:
    first = look(page.live)
    assert first["slots"]["one"][1] == "<b>1</b>" and set(first["slots"]) == {"one", "other"}
    assert first["pulse"] == {"name": "mine"}
    assert look(page.live, first)["slots"] == {}
    page.panel.number = 2
    second = look(page.live, first)
    assert list(second["slots"]) == ["one"] and second["slots"]["one"][1] == "<b>2</b>"


def test_what_two_pages_see_alike_is_drawn_once(page: Page) -> None:
    assert look(page.live)["slots"] == look(page.live)["slots"]
    assert page.panel.drawn == 1


def test_the_chart_is_asked_for_what_the_page_lacks(page: Page) -> None:
    assert look(page.live)["chart"] == {"key": "k"}
    assert look(page.live, chart={"key": "k"}, smoothing=3)["chart"] is None
    assert page.asked == [({}, 0), ({"key": "k"}, 3)]
    look(page.live, chart=[1], smoothing="many")
    assert page.asked[-1] == ({}, 0)


def test_a_chart_that_fails_says_so_once(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    page.fault = ValueError("no points")
    first, second = look(page.live), look(page.live)
    assert "no points" in first["chart"]["fault"] and second["chart"] is None and len(caplog.records) == 1
    assert first["pace_ms"] == 1000 * AFTER_A_FAULT_S
    page.fault = None
    assert look(page.live)["chart"] == {"key": "k"}


def test_a_page_of_another_server_is_given_everything_anew(page: Page) -> None:
    assert set(look(page.live, look(Page().live))["slots"]) == {"one", "other"}


def test_controls_are_pulled_when_they_are_others(page: Page) -> None:
    first = look(page.live)["pulled"]["choice"]
    assert look(page.live)["pulled"]["choice"] == first
    page.panel.chosen = 2
    assert look(page.live)["pulled"]["choice"] != first
    pull = pulls(page)[0].fn
    due = '{"choice": "v"}'
    assert pull(due) == {page.live.due: due, page.panel.box: "2"}
    assert pull('{"other": "v"}') == {page.live.due: '{"other": "v"}'}
    page.panel.fault = ValueError("broken")
    assert set(pull(due)) == {page.live.due, page.panel.box}


def test_all_controls_are_pulled_at_once_and_a_fault_in_one_leaves_the_others(page: Page) -> None:
    with page.blocks:
        second = gr.Textbox()
        page.live._connect_pull([Pulled("broken", dict, [second], _broken), *page.live._pulled])
    pull = pulls(page)[-1].fn
    names = [one.name for one in page.live._pulled]
    updates = pull(json.dumps(dict.fromkeys(["broken", *names], "v")))
    assert updates[page.panel.box] == str(page.panel.chosen) and second in updates
    assert set(pull('{"broken": "v"}')) == {page.live.due, second}  # what is not due stays as it is, a message too
    assert set(pull("")) == set(pull("5")) == {page.live.due, second, page.panel.box}


def pulls(page: Page) -> list[Any]:
    return [fn for fn in page.blocks.fns.values() if (page.live.pull._id, "click") in map(tuple, fn.targets)]


def _broken() -> dict[Any, Any]:
    raise ValueError("broken")


@pytest.mark.parametrize(
    "asked", [None, "", "{", "[]", "5", '{"have": 3, "chart": [1]}', '{"have": {"one": {}}}', "[" * 9999]
)
def test_a_question_that_makes_no_sense_is_answered_with_everything(page: Page, asked: Any) -> None:
    assert set(json.loads(page.live.look(asked))["slots"]) == {"one", "other"}


def test_it_is_looked_more_rarely_while_nothing_goes(page: Page) -> None:
    assert look(page.live)["pace_ms"] == 1000 * PACE_S
    page.goes = False
    assert look(page.live)["pace_ms"] == 1000 * QUIET_PACE_S


def test_a_fault_is_told_in_its_place_once_and_looking_goes_on(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    first = look(page.live)
    page.panel.fault = ValueError("There is nothing to see.")
    faulty = look(page.live, first)
    assert list(faulty["slots"]) == ["one"] and "There is nothing to see." in faulty["slots"]["one"][1]
    has_it = {"slots": first["slots"] | faulty["slots"]}
    assert look(page.live, has_it)["slots"] == {} and len(caplog.records) == 1, "it is neither sent nor logged again"
    assert faulty["pace_ms"] == 1000 * AFTER_A_FAULT_S
    page.panel.fault = None
    assert look(page.live, has_it)["slots"]["one"][1] == "<b>1</b>"


def test_a_part_that_takes_long_to_draw_holds_up_no_other_page(page: Page) -> None:
    first = look(page.live)
    page.panel.number, page.panel.slow = 2, threading.Event()
    slow = threading.Thread(target=look, args=(page.live, first))
    slow.start()
    while page.panel.drawn < 2:
        time.sleep(0.01)
    assert look(page.live, first)["slots"] == {}, "the other page keeps what it has"
    page.panel.slow.set()
    slow.join()
    page.panel.slow = None
    assert look(page.live, first)["slots"]["one"][1] == "<b>2</b>"


def test_a_page_is_told_when_a_pull_has_come(page: Page) -> None:
    """Only then does its script take the controls for shown; what was lost on the way is asked for again."""
    (pull,) = pulls(page)
    (after,) = [fn for fn in page.blocks.fns.values() if fn.trigger_after == pull._id]
    assert after.trigger_only_on_success and "got(answered)" in str(after.js)
    assert pull.trigger_mode == "multiple"


def test_many_pages_at_once_are_answered_alike(page: Page) -> None:
    look(page.live)
    answers: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(look(page.live)["slots"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and all(answer == answers[0] for answer in answers)


def test_the_script_asks_by_the_name_that_the_server_answers_to() -> None:
    assert f"/run/{LOOK}`" in SCRIPT.read_text(encoding="utf-8")


def test_the_table_of_the_chart_is_answered_alone(page: Page) -> None:
    assert json.loads(page.live.look(json.dumps({"table": True}))) == {"table": "update,loss\n"}
