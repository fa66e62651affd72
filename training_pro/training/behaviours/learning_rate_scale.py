"""Multiplies the scheduled learning rate by a factor that can be changed while the run goes."""

from __future__ import annotations

from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.controls import Controls

_SMALLEST = 1e-12


class LearningRateScale(Behaviour):
    """Takes effect with the update in progress.

    The scheduler's own `base_lrs` are scaled, too: it overwrites the groups' rates with each step.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._applied = 1.0

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        wanted = max(self._controls.take().learning_rate_scale, _SMALLEST)
        if wanted == self._applied:
            return
        ratio = wanted / self._applied
        for group in kwargs["optimizer"].param_groups:
            group["lr"] *= ratio
        scheduler = kwargs["lr_scheduler"]
        if hasattr(scheduler, "base_lrs"):
            scheduler.base_lrs = [rate * ratio for rate in scheduler.base_lrs]
        self._applied = wanted

    def state(self) -> dict[str, Any]:
        return {"applied": self._applied}

    def restore(self, values: dict[str, Any]) -> None:
        self._applied = float(values["applied"])
