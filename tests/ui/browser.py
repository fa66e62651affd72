"""A page in Debian's chromium, as a person uses it. Works with gradio 4 and 6."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, TimeoutError, expect, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 120_000  # for what takes a second on a machine that has nothing else to do
ATTEMPTS = 12  # to choose from a list that is filled anew just then
# Gradio 4's own page asks other hosts for a script and fonts; there are none here. Gradio 6 complains of its own
# streams when a page is left or reloaded.
NOT_OURS = (
    "AbortError",
    "Method not implemented",
    "Connection errored out",
    "ERR_NAME_NOT_RESOLVED",
    "ERR_INTERNET_DISCONNECTED",
    "ERR_CONNECTION_REFUSED",
    "fonts.googleapis.com",
)
# A page in the background may draw nothing, so there is an end to waiting.
DRAWN_TWICE = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(done));
  setTimeout(done, 3000);
})"""
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

expect.set_options(timeout=WAIT_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


class Tab:
    """One open page with the tab on it. `complaints`: what its console said in red."""

    def __init__(self, browser: Browser, url: str, size: dict[str, int] | None = None) -> None:
        self.page: Page = browser.new_page(viewport=size or DESKTOP)
        self.page.set_default_timeout(WAIT_MS)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self._complain("error", str(error)))
        self.page.goto(url)
        self.page.locator(".training-pro[data-face]").wait_for()
        self.opened()

    def opened(self) -> None:
        """Until what is filled in when a page opens is there, and was checked; and the server's first news."""
        if self.part("marks").count():
            self.page.locator("#tp-marks .tp-marks").wait_for(state="attached")
        self.page.locator("#tp-host .tp-slot[data-version]").wait_for(state="attached")

    def reload(self) -> None:
        self.page.reload()
        self.opened()

    def _complain(self, kind: str, words: str) -> None:
        if kind == "error" and not any(known in words for known in NOT_OURS):
            self.complaints.append(words)

    def part(self, name: str) -> Any:
        return self.page.locator(f"#tp-{name}")

    def words(self, name: str) -> str:
        return str(self.part(name).inner_text())

    def press(self, name: str) -> None:
        self.part(name).click()

    def open(self, title: str) -> None:
        """Unfold what has this title."""
        self.page.get_by_text(title).first.click()

    def show_tab(self, name: str) -> None:
        head = self.page.get_by_role("tab", name=name, exact=True)
        head.click()
        expect(head).to_have_attribute("aria-selected", "true")

    def type(self, name: str, words: str) -> None:
        field = self.part(name).locator("input[type=number], input[type=text], textarea, input:not([type])").first
        field.fill(words)
        field.press("Tab")
        self._seen()

    def typed(self, name: str) -> str:
        return str(self.part(name).locator("input, textarea").first.input_value())

    def unfold(self, name: str) -> Any:
        """The field of a list, with the list open."""
        return self._with_list(name, lambda: self.page.get_by_role("option").first.wait_for(timeout=WAIT_MS / ATTEMPTS))

    def offered(self, name: str) -> list[str]:
        """What a list offers; it is closed again."""
        field = self.unfold(name)
        words = self.page.get_by_role("option").all_inner_texts()
        field.blur()
        return [entry.strip(" ✓\n") for entry in words]

    def choose(self, name: str, entry: str) -> None:
        option = self.page.get_by_role("option", name=entry, exact=True).first
        self._with_list(name, lambda: option.click(timeout=WAIT_MS / ATTEMPTS)).blur()
        self._seen()

    def _with_list(self, name: str, do: Callable[[], None]) -> Any:
        """`do` something in an open list; again where an answer that was on its way filled and closed it."""
        field = self.part(name).locator("input").first
        for attempt in range(ATTEMPTS):
            field.click()
            try:
                do()
                return field
            except TimeoutError:
                field.blur()
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("never reached")

    def _seen(self) -> None:
        """Until the page has drawn twice, so that what was entered is with its component."""
        self.page.evaluate(DRAWN_TWICE)

    def face(self) -> str:
        """Which face of Train is shown: "form", "run" or "ended"."""
        return str(self.page.locator(".training-pro").get_attribute("data-face"))

    def new_run(self) -> None:
        """From how a run ended back to the form."""
        self.page.locator('[data-do="new-run"]').click()
        self.part("start").wait_for()

    def all_settings(self) -> None:
        """Unfold "All settings"."""
        self.page.get_by_text("All settings").first.click()
        self.part("seed").wait_for()

    def phase(self) -> str:
        """The phase of the run as the page shows it, "" for no run."""
        shown = self.page.evaluate("document.querySelector('#tp-status .tp-run-status')?.dataset.phase")
        return str(shown or "")

    def until(self, there: Callable[[], Any], what: str, seconds: float = WAIT_MS / 1000) -> None:
        """Wait until `there()`; else an error that says `what` never came, and what the page shows."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if there():
                return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"never came: {what}. The page says: {self.page.inner_text('body')[-1500:]}")

    def close(self) -> None:
        self.page.close()
