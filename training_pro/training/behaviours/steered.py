"""What people steer while a run trains: pause, and the learning rate; and the order of each epoch's blocks.

A pause waits without using the processor; everything else costs microseconds an update.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.controls import Controls

_LOOK_AGAIN_S = 1.0
_SMALLEST_SCALE = 1e-12
_ROUNDING = 1e-9


def _all() -> float:
    return 1.0


class EpochOrder(Behaviour):
    """Sets the order's epoch, so that it depends on seed and epoch alone, also after continuing within an epoch."""

    def on_epoch_begin(self) -> None:
        self.trainer.order.set_epoch(int(self.trainer.epoch + _ROUNDING))


class Pause(Behaviour):
    """Holds the run before an update while it is paused; an interrupt ends the pause.

    `on_change(paused)` is called at both ends. What people ask for during a pause is done at once, by the behaviours'
    `while_paused`.
    """

    def __init__(self, controls: Controls, on_change: Callable[[bool], None]) -> None:
        self._controls = controls
        self._on_change = on_change

    def before_update(self) -> None:
        if not self._controls.paused:
            return
        self._on_change(True)
        while self._controls.wait_while_paused(_LOOK_AGAIN_S):
            self.trainer.while_paused()
        self._on_change(False)


class LearningRateScale(Behaviour):
    """Multiplies the scheduled learning rate by a factor that people can change; it applies to the current update.

    `share()` is another factor, of a run that ramps down to its stop. The scheduler's own `base_lrs` are scaled, too:
    it overwrites the groups' rates with each step.
    """

    def __init__(self, controls: Controls, share: Callable[[], float] = _all) -> None:
        self._controls = controls
        self._share = share
        self._applied = 1.0

    def before_step(self) -> None:
        wanted = max(self._controls.take().learning_rate_scale * self._share(), _SMALLEST_SCALE)
        if wanted == self._applied:
            return
        ratio = wanted / self._applied
        for group in self.trainer.optimizer.param_groups:
            group["lr"] *= ratio
        scheduler = self.trainer.lr_scheduler
        if hasattr(scheduler, "base_lrs"):
            scheduler.base_lrs = [rate * ratio for rate in scheduler.base_lrs]
        self._applied = wanted

    def state(self) -> dict[str, Any]:
        return {"applied": self._applied}

    def restore(self, values: dict[str, Any]) -> None:
        self._applied = float(values["applied"])
