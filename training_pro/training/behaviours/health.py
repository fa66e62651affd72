"""Says while a run trains that something is wrong with it. Costs microseconds an update."""

from __future__ import annotations

from collections.abc import Callable

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.model.adapter import untaught_note


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
