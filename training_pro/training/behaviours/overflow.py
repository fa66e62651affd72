"""Watches the gradient scaler of a run in float16: what it skips is said, and a run in which it skips all ends.

The scaler multiplies the loss so that small gradients don't become 0. Where a gradient then overflows, it leaves the
step out and halves its scale for the next one. Costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.status import OVERFLOW, Diverged

MOST_SKIPPED = 24  # in a row: the scale, 65,536 at first, is then far below 1


class Overflow(Behaviour):
    """Notes the first update that taught nothing.

    Raises, in `before_step`:
        Diverged: so many in a row that it can't be the scale.
    """

    def __init__(self, on_note: Callable[[str], None]) -> None:
        self._on_note = on_note
        self._noted = False
        self._in_a_row = 0

    def before_step(self) -> None:
        if math.isfinite(self.trainer.last_grad_norm):
            self._in_a_row = 0
            return
        self._in_a_row += 1
        number = self.trainer.update + 1
        if not self._noted:
            self._noted = True
            self._on_note(
                f"Update {number} taught nothing, because its gradient overflowed in float16. The gradient scaler "
                "lowers its scale; in the first updates this is usual."
            )
        if self._in_a_row >= MOST_SKIPPED:
            raise Diverged(
                f"The gradient overflowed in {MOST_SKIPPED} updates in a row, up to update {number}. Nothing was "
                "learned in them.",
                OVERFLOW,
            )
