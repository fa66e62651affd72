"""Ends a run whose loss has exploded, so that the hours after it are not wasted."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from training_pro.training.callbacks.behaviour import Behaviour
from training_pro.training.callbacks.meter import Meter
from training_pro.training.ending import Diverged

WINDOW = 10
FACTOR = 2.0
MARGIN_NATS = 1.0


class Watchdog(Behaviour):
    """Exploded: the mean of the last 10 losses is above twice the lowest such mean plus 1 nat.

    `good_until` is the last update at which that mean was below half of this way up.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._lowest = math.inf
        self.good_until = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        point = self._meter.last
        if point is None:
            return
        self._recent.append(point.loss)
        mean = sum(self._recent) / len(self._recent)
        if len(self._recent) < WINDOW:
            self.good_until = state.global_step
            return
        self._lowest = min(self._lowest, mean)
        limit = FACTOR * self._lowest + MARGIN_NATS
        if mean > limit:
            raise Diverged(
                f"The loss exploded: {mean:.2f} over the last {WINDOW} updates, after {self._lowest:.2f} at its best.",
                self.good_until,
            )
        if mean <= (self._lowest + limit) / 2:
            self.good_until = state.global_step

    def state(self) -> dict[str, Any]:
        lowest = self._lowest if math.isfinite(self._lowest) else None
        return {"recent": list(self._recent), "lowest": lowest, "good_until": self.good_until}

    def restore(self, values: dict[str, Any]) -> None:
        self._recent.extend(values["recent"])
        self._lowest = math.inf if values["lowest"] is None else float(values["lowest"])
        self.good_until = int(values["good_until"])
