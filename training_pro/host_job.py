"""Work with the host's model in a thread of its own: begun once, read at any time, ended on request."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Status = TypeVar("Status")


class HostJob(Generic[Status]):
    """The thread and the status of one piece of work; a subclass does it in `_work`, which must set `_ended`."""

    def __init__(self, name: str, status: Status) -> None:
        self._status = status
        self._ended = threading.Event()
        self._asked_to_end = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    @property
    def status(self) -> Status:
        """May be asked for by any thread at any time."""
        return self._status

    def start(self) -> None:
        self._thread.start()

    def interrupt(self) -> None:
        """End with the step in progress; what is finished is kept."""
        self._asked_to_end.set()

    def wait(self, seconds: float | None = None) -> Status:
        """Wait until it has ended, at most `seconds`."""
        self._ended.wait(seconds)
        return self._status

    def _work(self) -> None:
        raise NotImplementedError  # each job's own
