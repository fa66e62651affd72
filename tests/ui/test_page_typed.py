"""What is typed and dropped reaches the run: also past a server that is away, and with a comma."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.ui.browser import DRAWN_TWICE
from tests.ui.desk import Desk
from training_pro.ui.panels import what

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ASKED = "**/queue/join*"
DROP = """(words) => {
  const here = document.querySelector("#tp-what-card h2"), files = new DataTransfer();
  files.items.add(new File([words], "dropped.txt", { type: "text/plain" }));
  return ["dragover", "drop"].map((sign) => {
    const event = new DragEvent(sign, { bubbles: true, cancelable: true, dataTransfer: files });
    here.dispatchEvent(event);
    return event.defaultPrevented;
  });
}"""

NOTE_NAMED = """() => {
  const { named } = window.trainingProPage;
  window.trainingProPage.named = () => { named(); window.named = true; };
}"""


def test_a_file_that_is_dropped_is_uploaded_and_a_comma_in_a_whole_number_is_no_ten(desk: Desk) -> None:
    tab = desk.open()
    assert tab.page.evaluate(DROP, "The lamp was lit. The sea was calm. " * 40) == [True, True]
    tab.until(lambda: tab.typed("text-file") == "dropped.txt", "the dropped file")
    tab.until(lambda: "section" in tab.words("strip"), "its check")
    rank = tab.part("rank").locator("input")
    rank.select_text()
    rank.press_sequentially("1,5")
    tab.until(lambda: "1.5" in tab.words("remarks") and "1.5" in tab.words("rank"), "the fault, here and beside Start")
    assert rank.input_value() == "1.5"
    rank.select_text()
    rank.press_sequentially("1,024")
    assert rank.input_value() == "1024"
    tab.until(lambda: "1.5" not in tab.words("rank"), "the next check")
    loss = tab.part("stop-at-loss").locator("input")
    loss.select_text()
    loss.press_sequentially("1,125")
    assert loss.input_value() == "1.125"  # no thousands: it is no whole number


def test_what_is_typed_while_the_server_is_away_is_put_back_into_the_page_that_is_made_anew(desk: Desk) -> None:
    tab = desk.open()
    tab.type("rank", "7")
    tab.until(lambda: "was 32" in tab.words("rank"), "the check")
    refused: list[str] = []
    tab.page.route(ASKED, lambda route: _refuse(route, refused))
    tab.type("epochs", "5")
    tab.type("name", "typed meanwhile")
    tab.until(lambda: refused, "a check that is not answered")
    tab.page.unroute(ASKED)
    tab.page.reload()
    tab.until(lambda: tab.typed("epochs") == "5" and tab.typed("name") == "typed meanwhile", "what was typed")
    tab.until(lambda: "was 3" in tab.words("epochs"), "the check of it")
    assert tab.typed("rank") == "7"
    kept = "() => [localStorage.getItem('training-pro-form'), sessionStorage.getItem('training-pro-typed')]"
    tab.until(lambda: tab.page.evaluate(kept)[1] == "{}", "nothing that waits")
    assert json.loads(tab.page.evaluate(kept)[0])["epochs"] == 5
    tab.complaints[:] = [one for one in tab.complaints if "500" not in one]  # the browser's own, on what was refused


def test_a_name_that_is_typed_while_the_text_is_being_named_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk.server.session.host.folders.datasets / "newest.txt").write_text("The sea was calm. " * 40, encoding="utf-8")
    tab, asked, go_on, free_name_for = desk.open(), threading.Event(), threading.Event(), what.free_name_for

    def after_a_while(*given: Any) -> str:
        asked.set()
        go_on.wait(600)
        return free_name_for(*given)

    monkeypatch.setattr(what, "free_name_for", after_a_while)
    assert tab.typed("name") == "newest"
    tab.choose("text-file", "tales.txt")
    tab.until(asked.is_set, "the question for a name")
    tab.type("name", "mine")
    tab.page.evaluate(NOTE_NAMED)
    go_on.set()
    tab.until(lambda: tab.page.evaluate("window.named"), "the answer")
    tab.page.evaluate(DRAWN_TWICE)
    assert tab.typed("name") == "mine" and tab.typed("text-file") == "tales.txt"


def test_a_name_that_was_not_changed_follows_the_next_text(desk: Desk) -> None:
    (desk.server.session.host.folders.datasets / "newest.txt").write_text("The sea was calm. " * 40, encoding="utf-8")
    tab = desk.open()
    name, waiting = tab.part("name").locator("input, textarea").first, "sessionStorage.getItem('training-pro-typed')"
    for keys in (["Enter"], ["End", "x", "Backspace"]):
        for key in keys:
            name.press(key)
        assert "newest" in tab.page.evaluate(waiting)
        tab.until(lambda: tab.page.evaluate(waiting) == "{}", "the check of it", 30)
    tab.choose("text-file", "tales.txt")
    tab.until(lambda: tab.typed("name") == "tales", "its name")
    tab.until(lambda: "tales.txt" in tab.page.evaluate("localStorage.getItem('training-pro-form')"), "the check of it")
    assert tab.typed("name") == "tales"


def test_what_is_chosen_from_lists_while_the_server_is_away_is_put_back_as_well(desk: Desk) -> None:
    tab = desk.open()
    tab.all_settings()
    refused: list[str] = []
    tab.page.route(ASKED, lambda route: _refuse(route, refused))
    tab.choose("lr-scheduler-type", "linear")
    tab.choose("optimizer", "sgd")
    tab.type("seed", "7")
    tab.part("dementor").locator("input").check()
    tab.page.wait_for_timeout(1000)
    tab.page.unroute(ASKED)
    tab.page.reload()
    tab.all_settings()
    tab.until(lambda: tab.typed("optimizer") == "sgd" and tab.typed("seed") == "7", "what was chosen and typed")
    assert tab.typed("lr-scheduler-type") == "linear" and tab.part("dementor").locator("input").is_checked()
    waiting = "() => sessionStorage.getItem('training-pro-chosen')"
    tab.until(lambda: tab.page.evaluate(waiting) == "{}", "nothing that waits")
    tab.complaints[:] = [one for one in tab.complaints if "500" not in one]  # the browser's own, on what was refused


def _refuse(route: Any, refused: list[str]) -> None:
    refused.append(route.request.url)
    route.fulfill(status=500, body="{}")
