"""Ends the run after so many whole epochs, which can be moved while it goes."""

from __future__ import annotations

from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.controls import Controls
from training_pro.training.status import EarlyEnd

_ROUNDING = 1e-9


class StopAtEpoch(Behaviour):
    """k: after k whole epochs; already passed: now; 0 is off."""

    def __init__(self, controls: Controls, early_end: EarlyEnd) -> None:
        self._controls = controls
        self._early_end = early_end

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.on_step_end(args, state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        wanted = self._controls.take().stop_at_epoch
        if wanted > 0 and (state.epoch or 0.0) + _ROUNDING >= wanted and state.global_step < state.max_steps:
            self._early_end.stop(f"epoch {wanted} was reached")
            control.should_training_stop = True
