"""Long work of a page: progress on gradio's bar, and a Cancel.

Cancel counts from the click that began the work, and for that page alone.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import gradio as gr

from training_pro.errors import Cancelled
from training_pro.progress import OfBytes
from training_pro.words import size_words

_TELL_EVERY_S = 0.25


class Cancels:
    """Which pages have pressed Cancel. A page is known by gradio's session."""

    def __init__(self) -> None:
        self._pages: dict[str, threading.Event] = {}

    def begin(self, request: gr.Request) -> None:
        """The page's work begins, though it may still wait behind other work; before its Cancel is shown."""
        self._pages[_page(request)] = threading.Event()

    def shown(self, request: gr.Request) -> tuple[Any, str]:
        """`begin` as a handler: updates of the Cancel, which counts from when it appears, and of what is said."""
        self.begin(request)
        return gr.update(visible=True), ""

    def hidden(self, request: gr.Request) -> Any:
        """`end` as a handler: an update of the Cancel."""
        self.end(request)
        return gr.update(visible=False)

    def cancel(self, request: gr.Request) -> None:
        """End the work of this page; nothing where it has none."""
        cancelled = self._pages.get(_page(request))
        if cancelled is not None:
            cancelled.set()

    def telling(self, bar: Any, request: gr.Request) -> Telling:
        """The progress of the work that this page has begun."""
        return Telling(bar, self._pages.setdefault(_page(request), threading.Event()))

    def end(self, request: gr.Request) -> None:
        """The page's work is over."""
        self._pages.pop(_page(request), None)


class Telling:
    """Work's progress on gradio's bar, a few times a second; ends the work once `cancelled` is set."""

    def __init__(self, bar: Any, cancelled: threading.Event) -> None:
        self._bar = bar
        self._cancelled = cancelled
        self._told_at = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        if self._cancelled.is_set():
            raise Cancelled
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            self._bar(done / total if total else None, desc=_how_far(done, total, what))


def _how_far(done: int, total: int, what: str) -> str:
    """ "saving tales: 120 MB of 269 MB"; gradio's own words would call everything steps."""
    if not total:
        return what
    words = size_words if isinstance(what, OfBytes) else "{:,}".format
    return f"{what}: {words(done)} of {words(total)}"


def _page(request: gr.Request) -> str:
    return str(request.session_hash)
