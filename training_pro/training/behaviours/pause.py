"""Holds the run before an update while it is paused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.checkpoints import BY_HAND
from training_pro.training.controls import Controls

_LOOK_AGAIN_S = 1.0


class Pause(Behaviour):
    """Waits without working; an interrupt ends the pause. `on_change(paused)` is told of both ends.

    What is asked for meanwhile is done at once: a checkpoint of the last update by `save_now(reason)`, sample answers
    by `sample_now(update, model)`.
    """

    def __init__(self, controls: Controls, on_change: Callable[[bool], None]) -> None:
        self._controls = controls
        self._on_change = on_change
        self.save_now: Callable[[str], None] | None = None
        self.sample_now: Callable[[int, Any], None] | None = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self._controls.paused:
            return
        self._on_change(True)
        while self._controls.wait_while_paused(_LOOK_AGAIN_S):
            if self.save_now and state.global_step > 0 and self._controls.take_checkpoint_request():
                self.save_now(BY_HAND)
                self._on_change(True)
            if self.sample_now:
                self.sample_now(state.global_step, kwargs["model"])
        self._on_change(False)
