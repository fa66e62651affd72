"""What is accepted stays, and what is under the hand keeps its place, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ui.browser import DESKTOP, DRAWN_TWICE, Tab
from tests.ui.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Who watches words change, and when that is given up; all other observers here watch for new parts alone.
NOTE_WATCHED = """{
  window.watched = [];
  const { observe, disconnect } = MutationObserver.prototype, noted = new Set();
  MutationObserver.prototype.observe = function (target, what) {
    if (what.characterData) { noted.add(this); window.watched.push(target.id || target.nodeName); }
    return observe.call(this, target, what);
  };
  MutationObserver.prototype.disconnect = function () {
    if (noted.has(this)) window.watched.push("given up");
    return disconnect.call(this);
  };
}"""


def button_of(tab: Tab, words: str) -> Any:
    return tab.page.locator(".tp-remark-row", has_text=words).locator("button")


def top(one: Any) -> int:
    box = one.bounding_box()
    assert box is not None
    return round(box["y"])


def checked_epochs(tab: Tab) -> float:
    """The epochs of the last check."""
    return float(tab.page.evaluate("JSON.parse(localStorage.getItem('training-pro-form')).epochs"))


def test_a_remark_that_goes_moves_no_other_button_under_the_pointer(desk: Desk) -> None:
    tab = desk.open()
    accepted, below = button_of(tab, "updates in all"), button_of(tab, "context length 128")
    tab.until(lambda: accepted.count() and below.count(), "two suggestions")
    accepted.hover()
    place = top(below)
    accepted.click()
    tab.until(lambda: "was 3" in tab.words("epochs") and not accepted.count(), "the check of it")
    gone = tab.page.locator(".tp-remark-gone")
    assert top(below) == place and gone.count() == 1
    start = top(tab.part("start"))
    tab.part("start").hover()
    assert top(tab.part("start")) == start and gone.count() == 0
    tab.page.mouse.move(5, 300)
    tab.until(lambda: top(below) < place, "all in order")


def test_what_grows_above_start_does_not_move_it_under_the_pointer(desk: Desk) -> None:
    tab = desk.open()
    tab.until(lambda: "Ready" in tab.words("your-run"), "the check")
    tab.part("name").locator("input").focus()
    tab.part("start").hover()
    place = top(tab.part("start"))
    tab.page.keyboard.type(".dot")
    tab.until(lambda: "has a dot" in tab.words("name"), "a line more")
    assert top(tab.part("start")) == place
    tab.page.mouse.move(5, 300)
    tab.until(lambda: top(tab.part("start")) > place, "all in order")


def test_what_is_typed_while_the_pointer_rests_leaves_no_holes_among_the_remarks(desk: Desk) -> None:
    tab = desk.open()
    tab.until(lambda: button_of(tab, "updates in all").count(), "a suggestion")
    holes = tab.page.locator(".tp-remark-gone")
    for place in ("name", "start", "remarks"):
        tab.part(place).hover()
        start = top(tab.part("start"))
        for epochs in ("5", "6", "7"):
            tab.type("epochs", epochs)
            tab.until(lambda epochs=epochs: checked_epochs(tab) == float(epochs), "the check")
            tab.page.evaluate(DRAWN_TWICE)
            assert holes.count() <= (1 if place == "remarks" else 0)
            if place == "start":
                assert top(tab.part("start")) == start


def test_a_tile_says_what_it_changes_of_what_was_accepted_and_gives_it_back(desk: Desk) -> None:
    tab = desk.open()
    accepted = button_of(tab, "updates in all")
    tab.until(lambda: accepted.count() == 1, "the suggestion")
    accepted.click()
    tab.until(lambda: tab.typed("epochs") == "4", "what it suggests")
    tiles = tab.page.locator("#tp-tiles label")
    tiles.nth(0).click()
    tab.until(lambda: "Epochs 4 (now 3)" in tab.words("presets-said") and tab.typed("epochs") == "3", "what it changed")
    tab.page.get_by_role("button", name="Put it back").click()
    tab.until(lambda: tab.typed("epochs") == "4" and tab.typed("rank") == "16", "it back, the rest as the tile has it")
    tab.until(lambda: not tab.part("presets-said").is_visible(), "nothing said")
    tiles.nth(1).click()
    tab.until(lambda: tab.typed("rank") == "64" and tab.part("presets-said").is_visible(), "another tile")
    assert "Rank" not in tab.words("presets-said")  # that number was the tile's
    tab.page.get_by_role("button", name="Put it back").click()
    tab.until(lambda: not tab.part("presets-said").is_visible(), "nothing said again")
    tab.page.locator('[data-do="presets"]').click()
    tab.type("preset-name", "a/b")
    tab.press("keep-preset")
    tab.until(lambda: "a/b" in tab.words("presets-said") and tab.part("presets-said").is_visible(), "the refusal")


def test_the_page_is_watched_while_the_pointer_is_over_the_card_alone(desk: Desk) -> None:
    tab = desk.open()
    tab.page.add_init_script(NOTE_WATCHED)
    tab.reload()
    tab.part("start").hover()
    assert tab.page.evaluate("window.watched") == ["tp-run-to-be-card"]
    tab.page.mouse.move(5, 300)
    tab.part("start").hover()
    assert tab.page.evaluate("window.watched") == ["tp-run-to-be-card", "given up", "tp-run-to-be-card"]


def test_a_question_that_goes_under_the_pointer_leaves_start_where_it_is(desk: Desk) -> None:
    tab = desk.open()
    desk.start(tab, "mine", epochs="1")
    tab.until(lambda: tab.phase() == "ended", "the end")
    tab.new_run()
    tab.press("start")
    tab.until(lambda: tab.part("ask-cancel").is_visible(), "the question")
    tab.part("ask-cancel").hover()
    # The question goes and the card gets other news in the same moment.
    tab.page.evaluate("""() => {
      document.getElementById('tp-ask').style.display = 'none';
      document.getElementById('tp-run-to-be-card').append(' ');
    }""")
    tab.page.evaluate(DRAWN_TWICE)
    box = tab.part("start").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= DESKTOP["height"], "it can be pressed"
