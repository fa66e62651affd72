"""Pages on one server, as several people have them open."""

from __future__ import annotations

from tests.ui.browser import Tab
from tests.ui.server import Server

LONG = "2000"  # epochs: a run that does not end by itself


class Desk:
    """Pages on one server; in the end none of them may have complained."""

    def __init__(self, server: Server, browser: object) -> None:
        self.server = server
        self._browser = browser
        self.tabs: list[Tab] = []

    def open(self, size: dict[str, int] | None = None) -> Tab:
        self.tabs.append(Tab(self._browser, self.server.url, size))
        return self.tabs[-1]

    def start(self, tab: Tab, name: str, epochs: str = LONG) -> None:
        """A run on the text."""
        tab.choose("text-file", "tales.txt")
        tab.type("name", name)
        tab.type("epochs", epochs)
        tab.press("start")
        tab.until(lambda: self.server.session.run is not None, "the run")
        tab.until(lambda: tab.phase() in ("training", "ended"), "training")
