"""What ends a run early: the stop loss, the stop epoch, and a loss that has exploded. Costs microseconds an update."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.meter import Meter
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.status import Diverged

WINDOW = 10
FACTOR = 2.0
MARGIN_NATS = 1.0
RAMP_SHARE = 10  # a ramp is this part of the updates done
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Ramp:
    """A way to the stop: after update `began` the rate falls to 0 over so many `updates`, because the loss reached
    `stop`."""

    began: int
    updates: int
    stop: float
    reason: str

    def share(self, update: int) -> float:
        """The rate in the update that comes after `update`, as a share."""
        return 1 - min(update + 1 - self.began, self.updates) / (self.updates + 1)


class StopAtLoss(Behaviour):
    """Ends the run when the mean loss of the last N updates has fallen to the stop loss; all of it can be changed live.

    Looks after every update, and when a run continues; a stop loss of 0 is off. With Ramp down the run ends only after
    a tenth as many updates more, over which `rate_share` falls to 0; a stop loss that is moved below the loss meanwhile
    brings the rate back.
    """

    def __init__(self, controls: Controls, meter: Meter, on_note: Callable[[str], None]) -> None:
        self._controls = controls
        self._meter = meter
        self._on_note = on_note
        self._ramp: Ramp | None = None

    @property
    def rate_share(self) -> float:
        """What the learning rate of the next update is multiplied by."""
        return 1.0 if self._ramp is None else self._ramp.share(self.trainer.update)

    def on_run_begin(self) -> None:
        self.after_update()

    def after_update(self) -> None:
        live, trainer = self._controls.take(), self.trainer
        smoothed = self._meter.smoothed(live.loss_window)
        reached = live.stop_at_loss > 0 and smoothed <= live.stop_at_loss
        if self._ramp is not None:
            self._go_down(self._ramp, live, reached)
        elif reached:
            reason = (
                f"the loss, {smoothed:.4f} over the last {min(live.loss_window, trainer.update)} updates, reached the "
                f"stop loss {live.stop_at_loss:g}"
            )
            updates = min(math.ceil(trainer.update / RAMP_SHARE), trainer.total_updates - trainer.update)
            if live.stop_ramp and updates > 0:
                self._begin(Ramp(trainer.update, updates, live.stop_at_loss, reason))
            else:
                trainer.stop(reason)

    def _begin(self, ramp: Ramp) -> None:
        self._ramp = ramp
        self._on_note(
            f"{ramp.reason[:1].upper()}{ramp.reason[1:]}: the learning rate falls to 0 over the next {ramp.updates:,} "
            f"updates, and the run stops after update {ramp.began + ramp.updates:,}."
        )

    def _go_down(self, ramp: Ramp, live: LiveValues, reached: bool) -> None:
        if live.stop_at_loss != ramp.stop and not reached:
            self._ramp = None
            self._on_note("The stop loss was moved: the learning rate is back on its schedule.")
        elif not live.stop_ramp:
            self.trainer.stop(ramp.reason)
        elif self.trainer.update >= ramp.began + ramp.updates:
            self.trainer.stop(f"{ramp.reason}; then the learning rate fell to 0 over {ramp.updates:,} updates")

    def state(self) -> dict[str, Any]:
        return {"ramp": asdict(self._ramp)} if self._ramp is not None else {}

    def restore(self, values: dict[str, Any]) -> None:
        self._ramp = Ramp(**values["ramp"]) if values.get("ramp") else None


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
