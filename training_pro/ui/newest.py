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
        page, overtaken = str(request.session_hash), threading.Event()
        before = self._asked.get(page)
        if before is not None:
            before.set()
        self._asked[page] = overtaken
        return overtaken

    def end(self, request: gr.Request, overtaken: threading.Event) -> None:
        """The answer to it is there."""
        page = str(request.session_hash)
        if self._asked.get(page) is overtaken:
            del self._asked[page]
