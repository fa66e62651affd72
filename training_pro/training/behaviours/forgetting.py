"""Whether the LoRA forgets: the loss on a general text, which is not trained, at the start, now and then, at the end.

Costs a forward pass over that text (about 1,000 tokens for the one that ships, as much as a third of an update over as
many tokens) at the start, with each evaluation's turn and at the end; the start one more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from training_pro.errors import ModelError
from training_pro.record.history import Event, History
from training_pro.record.series import GENERAL_TEXT, measured_event
from training_pro.training.behaviours.behaviour import Behaviour

MUCH_NATS = 0.2  # a rise of so much a token is worth a sentence: every token is a fifth less likely


class Forgetting(Behaviour):
    """Writes each measurement to the history as a point of the series "General text"; says once that it rose much.

    `measure(without)` gives the mean loss over the text, without the LoRA or with it as it is now. The rise counts from
    the model without a LoRA.
    """

    dispensable = "measuring the general text"

    def __init__(
        self,
        every: int,
        history: History,
        measure: Callable[[bool], float],
        on_note: Callable[[str], None],
    ) -> None:
        self._every = every
        self._history = history
        self._measure = measure
        self._on_note = on_note
        self._start: float | None = None
        self._last_at = -1
        self._said = False

    def on_run_begin(self) -> None:
        if self._start is not None:
            return
        self._start = self._measured(without=True)
        if self.trainer.update == 0:
            self._add(self._start)

    def after_update(self) -> None:
        if self.trainer.update % self._every == 0:
            self._look()

    def on_run_end(self) -> None:
        self._look()

    def _look(self) -> None:
        if self.trainer.update == self._last_at or self._start is None:
            return
        loss = self._measured(without=False)
        self._add(loss)
        rise = loss - self._start
        if (rise > MUCH_NATS or not math.isfinite(rise)) and not self._said:
            self._said = True
            self._on_note(
                f"The LoRA forgets: on a general text the loss is {loss:.2f}, and {self._start:.2f} without it. Use a "
                "lower Learning Rate or fewer epochs, or mix general rows into the data, for example: my.txt; "
                "other.txt 10%."
            )

    def _measured(self, *, without: bool) -> float:
        try:
            return self._measure(without)
        except ModelError as error:  # memory: a reason to do without it, not to end the run
            raise RuntimeError(str(error)) from error

    def _add(self, loss: float) -> None:
        self._last_at = self.trainer.update
        event: Event = measured_event(GENERAL_TEXT, self.trainer.update, loss)
        self._history.add_event(event)

    def state(self) -> dict[str, Any]:
        return {"start": self._start, "last_at": self._last_at, "said": self._said}

    def restore(self, values: dict[str, Any]) -> None:
        self._start, self._last_at = values["start"], int(values["last_at"])
        self._said = bool(values["said"])
