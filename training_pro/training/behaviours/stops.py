"""What ends a run early: the stop loss, the stop epoch, and a loss that has exploded. Costs microseconds an update."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.meter import Meter
from training_pro.training.controls import Controls
from training_pro.training.status import Diverged

WINDOW = 10
FACTOR = 2.0
MARGIN_NATS = 1.0
_ROUNDING = 1e-9


class StopAtLoss(Behaviour):
    """Ends the run when the mean loss of the last N updates has fallen to the stop loss; both can be changed live.

    Looks after every update, and when a run continues; a stop loss of 0 is off.
    """

    def __init__(self, controls: Controls, meter: Meter) -> None:
        self._controls = controls
        self._meter = meter

    def on_run_begin(self) -> None:
        self.after_update()

    def after_update(self) -> None:
        live = self._controls.take()
        smoothed = self._meter.smoothed(live.loss_window)
        if live.stop_at_loss > 0 and smoothed <= live.stop_at_loss:
            self.trainer.stop(
                f"the loss, {smoothed:.4f} over the last {min(live.loss_window, self.trainer.update)} updates, "
                f"reached the stop loss {live.stop_at_loss:g}"
            )


class StopAtEpoch(Behaviour):
    """Ends the run after k whole epochs; already passed: now. k can be changed live; 0 is off."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def on_run_begin(self) -> None:
        self.after_update()

    def after_update(self) -> None:
        wanted, trainer = self._controls.take().stop_at_epoch, self.trainer
        if wanted > 0 and trainer.epoch + _ROUNDING >= wanted and trainer.update < trainer.total_updates:
            trainer.stop(f"epoch {wanted} was reached")


class Watchdog(Behaviour):
    """Ends a run whose loss has exploded, so that no hours are wasted on it.

    Exploded: each of the last 10 losses is above twice the lowest mean of 10 plus 1 nat, and above all good ones.
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

    def after_update(self) -> None:
        point = self._meter.last
        if point is None:
            return
        if len(self._recent) == WINDOW:
            self._highest_since = max(self._highest_since, self._recent[0])
        self._recent.append(point.loss)
        mean = sum(self._recent) / len(self._recent)
        if len(self._recent) < WINDOW:
            self._good(self.trainer.update)
            return
        self._lowest = min(self._lowest, mean)
        limit = FACTOR * self._lowest + MARGIN_NATS
        if min(self._recent) > max(limit, self._highest):
            raise Diverged(
                f"The loss exploded: {mean:.2f} over the last {WINDOW} updates, after {self._lowest:.2f} at its best."
            )
        if mean <= (self._lowest + limit) / 2:
            self._good(self.trainer.update)

    def _good(self, update: int) -> None:
        self.good_until = update
        self._highest, self._highest_since = max(self._highest, self._highest_since), -math.inf

    def state(self) -> dict[str, Any]:
        return {
            "recent": list(self._recent),
            "lowest": _finite(self._lowest),
            "highest": _finite(self._highest),
            "highest_since": _finite(self._highest_since),
            "good_until": self.good_until,
        }

    def restore(self, values: dict[str, Any]) -> None:
        self._recent.extend(values["recent"])
        self._lowest = _number(values["lowest"], math.inf)
        self._highest = _number(values.get("highest"), -math.inf)
        self._highest_since = _number(values.get("highest_since"), -math.inf)
        self.good_until = int(values["good_until"])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)
