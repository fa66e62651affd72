"""Long work's progress on gradio's bar."""

from __future__ import annotations

import threading
import time
from typing import Any

from training_pro.errors import Cancelled

_TELL_EVERY_S = 0.25


class Telling:
    """Shows progress a few times a second; ends the work once `cancelled` is set."""

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
            self._bar((done, total or None), desc=what)
