"""Says while a run trains that something is wrong with it, and what to change. Costs microseconds an update.

Meant to be silent on any healthy run, hard data included: a rise must stand above every loss of the start, for most of
the last updates, by a margin that data of easy and hard blocks does not reach by chance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.model.adapter import untaught_note

START_UPDATES = 20  # at most; a quarter of a shorter run
FEWEST_UPDATES = 5
RISE_NATS = 0.3  # above the highest loss of the start, for three quarters of the last updates
LEAP_NATS = 2.0  # above the first losses, for all of the last `LEAP_UPDATES`
LEAP_UPDATES, LEAP_FIRST = 10, 3
NORM_TIMES, NORM_LEAST, NORM_UPDATES = 30.0, 20.0, 5  # gradient norm: times the start's median, and at least so large
_ADVICE = "Stop the run, and start it again with a lower Learning Rate (1e-4 to 3e-4 is usual) or fewer epochs."


class Untaught(Behaviour):
    """Names the LoRAs that got no gradient in the first backward pass. Not for sharded weights."""

    def __init__(self, on_note: Callable[[str], None]) -> None:
        self._on_note = on_note
        self._asked = False

    def before_step(self) -> None:
        if self._asked:
            return
        self._asked = True
        note = untaught_note(self.trainer.model)
        if note:
            self._on_note(note)


class Health(Behaviour):
    """Warns once that the loss is far above its start, and once that the gradient norm is out of bounds."""

    def __init__(self, on_warning: Callable[[str], None]) -> None:
        self._on_warning = on_warning
        self._start: list[float] = []
        self._norms: list[float] = []
        self._losses: deque[float] = deque(maxlen=START_UPDATES)
        self._recent_norms: deque[float] = deque(maxlen=NORM_UPDATES)
        self._warned: list[str] = []

    def after_update(self) -> None:
        window = max(FEWEST_UPDATES, min(START_UPDATES, self.trainer.total_updates // 4))
        if len(self._start) < window:
            self._start.append(self.trainer.last_loss)
            self._norms.append(self.trainer.last_grad_norm)
        self._losses.append(self.trainer.last_loss)
        self._recent_norms.append(self.trainer.last_grad_norm)
        if self._leapt() or (self.trainer.update >= 2 * window and self._risen(window)):
            now, start = median(list(self._losses)[-window:]), median(self._start[:LEAP_FIRST])
            self._warn("loss", f"The loss is {now:.2f}, and was {start:.2f} at the start: the LoRA gets worse.")
        if self.trainer.update > window and self._pulled():
            norm, usual = self._recent_norms[-1], median(self._norms)
            self._warn("norm", f"The gradient norm is {norm:.0f}, and was {usual:.2g} at the start.")

    def _risen(self, window: int) -> bool:
        recent = sorted(list(self._losses)[-window:])
        lower = recent[window // 4] if window >= LEAP_UPDATES else recent[0]
        return lower > max(self._start) + RISE_NATS

    def _leapt(self) -> bool:
        recent = list(self._losses)[-LEAP_UPDATES:]
        return len(recent) == LEAP_UPDATES and min(recent) > max(self._start[:LEAP_FIRST]) + LEAP_NATS

    def _pulled(self) -> bool:
        lowest = min(self._recent_norms)
        return lowest > max(NORM_LEAST, NORM_TIMES * median(self._norms))

    def _warn(self, kind: str, sentence: str) -> None:
        if kind not in self._warned:
            self._warned.append(kind)
            self._on_warning(f"{sentence} {_ADVICE}")

    def state(self) -> dict[str, Any]:
        return {
            "start": self._start,
            "norms": self._norms,
            "losses": list(self._losses),
            "recent_norms": list(self._recent_norms),
            "warned": self._warned,
        }

    def restore(self, values: dict[str, Any]) -> None:
        self._start, self._norms = list(values["start"]), list(values["norms"])
        self._losses.extend(values["losses"])
        self._recent_norms.extend(values["recent_norms"])
        self._warned = list(values["warned"])
