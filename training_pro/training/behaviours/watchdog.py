"""Ends a run whose loss has exploded, so that the hours after it are not wasted."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.meter import Meter
from training_pro.training.status import Diverged

WINDOW = 10
FACTOR = 2.0
MARGIN_NATS = 1.0


class Watchdog(Behaviour):
    """Exploded: each of the last 10 losses is above twice the lowest mean of 10 plus 1 nat, and above all good ones.

    `good_until` is the last update at which the mean of 10 was below half of this way up; good losses are those before
    these 10. So data of which a part is easy and a part hard ends no run: ten hard blocks in a row are no harder than
    all that came before.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._lowest = math.inf
        self._highest = -math.inf  # of the good losses
        self._highest_since = -math.inf  # of those that have left the last 10 after them
        self.good_until = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        point = self._meter.last
        if point is None:
            return
        if len(self._recent) == WINDOW:
            self._highest_since = max(self._highest_since, self._recent[0])
        self._recent.append(point.loss)
        mean = sum(self._recent) / len(self._recent)
        if len(self._recent) < WINDOW:
            self._good(state.global_step)
            return
        self._lowest = min(self._lowest, mean)
        limit = FACTOR * self._lowest + MARGIN_NATS
        if min(self._recent) > max(limit, self._highest):
            raise Diverged(
                f"The loss exploded: {mean:.2f} over the last {WINDOW} updates, after {self._lowest:.2f} at its best.",
                self.good_until,
            )
        if mean <= (self._lowest + limit) / 2:
            self._good(state.global_step)

    def _good(self, update: int) -> None:
        self.good_until = update
        self._highest, self._highest_since = max(self._highest, self._highest_since), -math.inf

    def state(self) -> dict[str, Any]:
        lowest, highest, since = (
            value if math.isfinite(value) else None for value in (self._lowest, self._highest, self._highest_since)
        )
        return {
            "recent": list(self._recent),
            "lowest": lowest,
            "highest": highest,
            "highest_since": since,
            "good_until": self.good_until,
        }

    def restore(self, values: dict[str, Any]) -> None:
        self._recent.extend(values["recent"])
        self._lowest = math.inf if values["lowest"] is None else float(values["lowest"])
        self._highest = -math.inf if (found := values.get("highest")) is None else float(found)
        self._highest_since = -math.inf if (found := values.get("highest_since")) is None else float(found)
        self.good_until = int(values["good_until"])
