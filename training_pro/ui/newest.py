"""Which of several answers a page still wants: that to what it asked last. An older one may take longer."""

from __future__ import annotations

import threading

import gradio as gr


class Newest:
    """What each page asked last. A page is known by gradio's session."""

    def __init__(self) -> None:
        self._asked: dict[str, threading.Event] = {}

    def begin(self, request: gr.Request) -> threading.Event:
        """The page asks; what comes back is set once it has asked again."""
        self.overtake(request)
        overtaken = self._asked[str(request.session_hash)] = threading.Event()
        return overtaken

    def overtake(self, request: gr.Request) -> None:
        """The page does not want the answer any more."""
        before = self._asked.get(str(request.session_hash))
        if before is not None:
            before.set()

    def end(self, request: gr.Request, overtaken: threading.Event) -> None:
        """The answer to it is there."""
        page = str(request.session_hash)
        if self._asked.get(page) is overtaken:
            del self._asked[page]
