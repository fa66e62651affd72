"""How a run ended, in one word for programs and one sentence for people. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training_pro.errors import RunError

EndKind = Literal["finished", "stopped", "interrupted", "failed"]


@dataclass(frozen=True)
class Ending:
    """`finished`: all updates done; `stopped`: by a stop that was set; `interrupted`: by hand; `failed`: by a fault."""

    kind: EndKind
    reason: str


class EarlyEnd:
    """Where behaviours say that the run should end after the update in progress; the first reason counts."""

    def __init__(self) -> None:
        self.ending: Ending | None = None

    def stop(self, reason: str) -> None:
        self.ending = self.ending or Ending("stopped", reason)


class NothingLeft(Exception):
    """A continued run was at its end already: all updates are done, or a stop is reached."""


class Diverged(RunError):
    """Training has gone wrong: the loss or the gradient is no number any more, or the loss has exploded.

    `good_until`: the last update whose loss was still good; a checkpoint before it is known to be good.
    """

    def __init__(self, sentence: str, good_until: int) -> None:
        self.good_until = good_until
        super().__init__(sentence)
