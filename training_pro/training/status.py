"""What is known about a run at any moment, as one frozen value, and how a run ends.

Pages and terminals only look at this. A change costs microseconds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from training_pro.errors import RunError
from training_pro.plan import Plan
from training_pro.record.points import Point
from training_pro.training.remaining import RECENT_UPDATES, Remaining

Phase = Literal[
    "waiting", "preparing", "loading", "training", "paused", "evaluating", "sampling", "saving", "restoring", "ended"
]
EndKind = Literal["finished", "stopped", "interrupted", "wrong", "failed"]


@dataclass(frozen=True)
class Ending:
    """`finished`: all updates done; `stopped`: by a stop that was set; `interrupted`: by hand; `wrong`: the training
    went wrong, so that the LoRA is worse than none; `failed`: by a fault."""

    kind: EndKind
    reason: str
    options: tuple[str, ...] = ()  # what to type on the command line for the way out


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint of this run: its update, folder and why it was written."""

    update: int
    path: Path
    reason: str


@dataclass(frozen=True)
class RunStatus:
    """A run as it is now.

    `progress` is (done, total, what) of the work in a phase other than training. `remaining_s` is None until
    it is known. `tokens` are those trained on so far, without padding; `trainable_parameters` is how many numbers are
    trained. `ending` is set once, with phase "ended", after the host has its model back.
    """

    name: str
    folder: Path
    phase: Phase = "waiting"
    progress: tuple[int, int, str] = (0, 0, "")
    plan: Plan | None = None
    point: Point | None = None
    remaining_s: float | None = None
    tokens_per_s: float = 0.0
    tokens: int = 0
    trainable_parameters: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()  # what goes wrong with the training, and what to change
    checkpoints: tuple[SavedCheckpoint, ...] = ()
    ending: Ending | None = None

    @property
    def running(self) -> bool:
        return self.phase != "ended"

    @property
    def update(self) -> int:
        return self.point.update if self.point else 0

    @property
    def total_updates(self) -> int:
        return self.plan.total_updates if self.plan else 0


class StatusBoard:
    """Holds the current `RunStatus`; written by the run, read by anybody."""

    def __init__(self, name: str, folder: Path) -> None:
        self._lock = threading.Lock()
        self._status = RunStatus(name, folder)
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT_UPDATES)
        self._last_point_at = 0.0
        self.remaining: Remaining | None = None  # what there is to do, once that is known

    @property
    def status(self) -> RunStatus:
        return self._status

    def change(self, **changes: Any) -> None:
        with self._lock:
            self._status = replace(self._status, **changes)

    def phase(self, phase: Phase) -> None:
        """Enter a phase, without progress yet. The time of an update never includes other phases."""
        self._last_point_at = time.monotonic()
        self.change(phase=phase, progress=(0, 0, ""))

    @contextmanager
    def during(self, phase: Phase, what: str = "") -> Iterator[None]:
        """The body is this phase; afterwards the one before it continues. `what` it does, for the time that is left,
        where a phase has several kinds of work."""
        before, began = self._status.phase, time.monotonic()
        self.phase(phase)
        try:
            yield
        finally:
            if self.remaining is not None:
                self.remaining.did(what or phase, time.monotonic() - began)
            self.phase(before)

    def progress(self, done: int, total: int, what: str) -> None:
        self.change(progress=(done, total, what))

    def note(self, sentence: str) -> None:
        """Add something the person should know; the same sentence only once."""
        with self._lock:
            if sentence not in self._status.notes:
                self._status = replace(self._status, notes=(*self._status.notes, sentence))

    def warn(self, sentence: str) -> None:
        """Add something that goes wrong with the training."""
        with self._lock:
            self._status = replace(self._status, warnings=(*self._status.warnings, sentence))

    def saved(self, checkpoint: SavedCheckpoint) -> None:
        with self._lock:
            others = tuple(c for c in self._status.checkpoints if c.path != checkpoint.path)
            self._status = replace(self._status, checkpoints=(*others, checkpoint))

    def removed(self, path: Path) -> None:
        with self._lock:
            kept = tuple(c for c in self._status.checkpoints if c.path != path)
            self._status = replace(self._status, checkpoints=kept)

    def point(self, point: Point, tokens: int) -> None:
        """One more update is done, or the last one was evaluated; `tokens` counts from the run's start."""
        if self._status.point is not None and self._status.point.update == point.update:
            self.change(point=point)
            return
        now = time.monotonic()
        known = self._status.tokens
        took = now - self._last_point_at
        self._recent.append((took, max(tokens - known, 0)))
        self._last_point_at = now
        seconds = sum(s for s, _ in self._recent)
        self.change(
            point=point,
            tokens=tokens,
            remaining_s=self._seconds_left(point.update, took),
            tokens_per_s=sum(t for _, t in self._recent) / max(seconds, 1e-9),
        )

    def _seconds_left(self, update: int, took_s: float) -> float | None:
        """After an update that took so long."""
        if self.remaining is None:
            return None
        self.remaining.updated(update, took_s)
        return self.remaining.seconds_left(update)


class NothingLeft(Exception):
    """A continued run has nothing more to do: all updates are done, or a stop is reached."""


OVERFLOW = (  # advice for it
    "In float16, numbers above 65,504 overflow, which some models reach at any learning rate: load the model in "
    "bfloat16 or float32"
)


class Diverged(RunError):
    """Training has gone wrong: the loss or the gradient is no longer a number, or the loss has exploded.

    `advice` is what helps, if it is not the usual.
    """

    def __init__(self, sentence: str, advice: str = "") -> None:
        self.advice = advice
        super().__init__(sentence)
