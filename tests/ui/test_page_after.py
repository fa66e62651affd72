"""In a real browser: what a run's end brings, and perplexity with its table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.ui.browser import Tab
from tests.ui.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# A headless browser shows no notifications: they are taken down instead.
NOTES_DOWN = """() => {
  window.noted = [];
  window.Notification = class {
    constructor(title, more) { window.noted.push(title + ": " + more.body); }
    static permission = "granted";
    static requestPermission() { return Promise.resolve("granted"); }
  };
}"""


@pytest.fixture
def tab(server: Server, browser: Browser) -> Iterator[Tab]:
    made = Tab(browser, server.url)
    yield made
    made.close()
    assert made.complaints == []


def start(tab: Tab, name: str, epochs: str) -> None:
    tab.type("name", name)
    tab.type("epochs", epochs)
    tab.press("start")


def test_an_end_is_told_at_a_distance_and_what_to_do_next_is_offered(tab: Tab, server: Server) -> None:
    before = tab.page.title()
    tab.page.evaluate(NOTES_DOWN)
    tab.show_tab("Tools")
    tab.open("Tell me when it ends")
    switch = tab.part("notice-desktop").locator("input")
    switch.check()
    tab.until(lambda: tab.page.evaluate("window.trainingProNotices.state()")[1], "the switch")
    tab.show_tab("Train")
    start(tab, "told", epochs="2000")
    tab.until(lambda: "% · told" in tab.page.title(), "the run in the title")
    tab.until(lambda: server.run.status.update > 0, "the first update")
    tab.page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")  # as in another tab's shadow
    server.run.controls.interrupt()
    tab.until(lambda: tab.page.title() == "Stopped · told", "the end in the title")
    assert tab.page.evaluate("window.noted") == ["Stopped · told: stopped by you"]
    tab.until(lambda: tab.part("after-continue").is_visible(), "what to do next")
    tab.press("after-open")
    tab.until(lambda: str(server.run.folder) in tab.words("after-said"), "the folder")
    assert tab.page.title() == before
    first = server.run
    tab.press("after-continue")
    tab.until(lambda: server.session.run is not first and tab.phase() == "training", "the run going on")
    assert server.run.settings.name == "told" and server.run.begin.continue_exactly
    tab.until(lambda: not tab.part("after-continue").is_visible(), "the row gone")
    server.run.controls.interrupt()
    tab.until(lambda: tab.face() == "ended", "its end")
    tab.press("after-again")
    tab.until(lambda: tab.face() == "form" and tab.typed("name") == "told-2", "the form with a free name")


def test_perplexity_is_measured_kept_and_commented(tab: Tab, server: Server) -> None:
    start(tab, "sea", epochs="1")
    tab.until(lambda: tab.phase() == "ended", "the LoRA")
    tab.show_tab("Runs")
    tab.until(lambda: "No perplexity has been measured yet" in tab.words("perplexity-table"), "the empty table")
    tab.choose("perplexity-text", "tales.txt")
    tab.choose("perplexity-loras", "sea")
    tab.type("perplexity-context", "128")
    tab.type("perplexity-stride", "128")
    tab.press("measure")
    tab.until(lambda: "1 to 127" in tab.words("perplexity-said"), "the refusal")
    tab.type("perplexity-stride", "64")
    tab.press("measure")
    tab.until(lambda: tab.part("perplexity-table").locator("tr").count() == 3, "two figures")
    tab.until(lambda: "tiny with sea" in tab.words("perplexity-status"), "the second figure")
    tab.reload()
    tab.show_tab("Runs")
    tab.until(lambda: "tiny with sea" in tab.words("perplexity-status"), "the measuring after a reload")
    mine, other = tab.offered("perplexity-line")
    tab.choose("perplexity-line", mine)
    tab.type("perplexity-comment", "the <b>better</b> one")
    tab.press("perplexity-keep")
    tab.until(lambda: "the <b>better</b> one" in tab.words("perplexity-table"), "the comment")
    tab.choose("perplexity-line", other)
    tab.until(lambda: tab.typed("perplexity-comment") == "", "the other's comment, which is none")
    tab.choose("perplexity-line", mine)
    tab.until(lambda: tab.typed("perplexity-comment") == "the <b>better</b> one", "the comment in its field again")
    tab.press("perplexity-remove")
    tab.until(lambda: tab.part("perplexity-table").locator("tr").count() == 2, "the line taken out")
    assert server.session.host.loras_in_use() == []
