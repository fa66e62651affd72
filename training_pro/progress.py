"""How long work says how far it is, and how it is ended: one call, passed in by whoever waits."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then by long work.

    Raises:
        Cancelled: whoever waits no longer wants the result.
    """

    def __call__(self, done: int, total: int, what: str) -> None: ...


class OfBytes(str):
    """What is being done, where `done` and `total` are bytes."""

    __slots__ = ()


def no_progress(done: int, total: int, what: str) -> None:
    """For work nobody watches."""
