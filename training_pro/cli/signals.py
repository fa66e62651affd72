"""Ctrl-C, SIGTERM and a closed terminal end a run cleanly; asked a second time, the process ends at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # what of them this system has


class Signals:
    """While entered, a signal calls `interrupt` with the reason; `received` tells that one came."""

    def __init__(self, interrupt: Callable[[str], None]) -> None:
        self._interrupt = interrupt
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.received:
            _end_at_once(128 + number)
        self.received = True
        self._interrupt(f"ended by {name}")
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _SAVING)


_SAVING = b"\nSaving the LoRA and a checkpoint; once more ends at once.\n"


def _end_at_once(code: int) -> None:
    """Without waiting for threads in the middle of an update; what is on the disk is whole at any time."""
    os._exit(code)
