"""How a run ended, in one word for programs and one sentence for people. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
