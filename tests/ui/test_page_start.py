"""Start in a real browser: what it says before it is answered, what is known before it is pressed."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.ui.browser import Tab
from tests.ui.desk import Desk
from training_pro.training.run import Run

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ASKED = "**/queue/join*"
LOOKS = "**/run/training_pro_live"
PRESS_AGAIN = "document.getElementById('tp-start').click()"


def starting(tab: Tab) -> bool:
    button = tab.part("start")
    return button.get_attribute("aria-disabled") == "true" and "Starting" in button.inner_text()


def can_start(tab: Tab) -> bool:
    button = tab.part("start")
    return button.get_attribute("aria-disabled") is None and "Start LoRA Training" in button.inner_text()


def test_start_says_at_once_that_it_starts_and_is_not_pressed_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, session, go_on = desk.open(), desk.server.session, threading.Event()
    begun: list[Run] = []
    start = session.start

    def begin(*given: Any, **more: Any) -> Run:
        assert go_on.wait(60)
        begun.append(start(*given, **more))
        return begun[-1]

    monkeypatch.setattr(session, "start", begin)
    tab.type("epochs", "1")
    tab.press("start")
    assert starting(tab)
    tab.page.evaluate(PRESS_AGAIN)
    go_on.set()
    tab.until(lambda: tab.phase() == "ended", "the end", 120)
    tab.new_run()
    assert can_start(tab) and len(begun) == 1


def test_start_can_be_pressed_again_after_a_refusal_a_question_and_no_answer(desk: Desk) -> None:
    tab = desk.open()
    tab.type("name", "a.b")
    tab.press("start")
    tab.until(lambda: "has a dot" in tab.words("start-said") and can_start(tab), "the refusal")
    tab.type("name", "lost")
    tab.page.route(ASKED, lambda route: route.fulfill(status=500, body="{}"))
    tab.press("start")
    tab.until(lambda: can_start(tab), "Start again", 20)
    tab.page.unroute(ASKED)
    tab.page.route(LOOKS, lambda route: route.abort())
    tab.page.route(ASKED, lambda route: None)  # never answered
    tab.press("start")
    assert starting(tab)
    tab.until(lambda: can_start(tab), "Start again where nobody answers", 30)
    lost = ("500", "ERR_FAILED")  # the browser's own, on what was lost
    tab.complaints[:] = [one for one in tab.complaints if not any(sign in one for sign in lost)]


def test_a_taken_name_is_said_beside_it_before_start(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "mine", epochs="1")
    tab.until(lambda: tab.phase() == "ended", "the end", 120)
    tab.new_run()
    tab.until(lambda: "on top of its weights or replace it" in tab.words("name"), "what Start will ask")
    assert "is finished" in tab.words("name") and tab.page.locator(".tp-fault").count() == 0
    tab.type("name", "another")
    tab.until(lambda: "exists" not in tab.words("name"), "nothing beside a free name")


def test_a_page_shows_neither_form_nor_run_before_it_knows_which(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "going")
    looks: list[Any] = []
    tab.page.route(LOOKS, lambda route: looks.append(route))  # held back
    tab.page.reload(wait_until="commit")
    tab.part("what-card").wait_for(state="attached")
    tab.until(lambda: looks and tab.typed("name") == "going", "the form, filled in")
    assert not tab.part("what-card").is_visible() and not tab.part("run-card").is_visible()
    assert "Ready" not in tab.page.inner_text("body")
    tab.page.unroute(LOOKS)
    tab.page.reload()
    tab.until(lambda: tab.face() == "run", "the run")


def test_the_form_is_shown_whatever_the_browser_has_kept(desk: Desk) -> None:
    tab = desk.open()
    tab.page.evaluate("""() => {
      localStorage.setItem('training-pro-form', '{');
      sessionStorage.setItem('training-pro-typed', '{"name": "kept"}');
    }""")
    tab.reload()
    tab.until(lambda: tab.face() == "form" and tab.typed("name") == "kept", "the form, with what was typed")
