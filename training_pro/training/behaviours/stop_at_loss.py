"""Ends the run when the smoothed loss has fallen to the stop loss, which can be moved while it goes."""

from __future__ import annotations

from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.meter import Meter
from training_pro.training.controls import Controls
from training_pro.training.status import EarlyEnd


class StopAtLoss(Behaviour):
    """Looks at the mean of the last N updates after every update, and when a run goes on; 0 is off."""

    def __init__(self, controls: Controls, meter: Meter, early_end: EarlyEnd) -> None:
        self._controls = controls
        self._meter = meter
        self._early_end = early_end

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.on_step_end(args, state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        live = self._controls.take()
        smoothed = self._meter.smoothed(live.loss_window)
        if live.stop_at_loss > 0 and smoothed <= live.stop_at_loss:
            self._early_end.stop(
                f"the loss, {smoothed:.4f} over the last {min(live.loss_window, state.global_step)} updates, "
                f"reached the stop loss {live.stop_at_loss:g}"
            )
            control.should_training_stop = True
