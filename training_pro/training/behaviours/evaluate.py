"""Asks for an evaluation every n updates and at the end; ends the run when it gets no better."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.status import EarlyEnd


class Evaluate(Behaviour):
    """Only with evaluation data; patience counts evaluations without a new lowest loss.

    A checkpoint written after an interrupt may lack the evaluation that was cut short; when its run goes on,
    `make_up` is called before the first update.
    """

    def __init__(self, settings: Settings, early_end: EarlyEnd) -> None:
        self._every = settings.eval_steps
        self._patience = settings.eval_patience
        self._early_end = early_end
        self._best: float | None = None
        self._without_better = 0
        self._due = False
        self.make_up: Callable[[], None] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._due and self.make_up is not None:
            self.make_up()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        last = state.global_step >= state.max_steps or control.should_training_stop
        if state.global_step % self._every == 0 or last:
            self._due = control.should_evaluate = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._due = False
        loss = kwargs["metrics"]["eval_loss"]
        if not math.isnan(loss) and (self._best is None or loss < self._best):
            self._best, self._without_better = loss, 0
            return
        self._without_better += 1
        if 0 < self._patience <= self._without_better:
            best = "infinity" if self._best is None else f"{self._best:.4f}"
            self._early_end.stop(
                f"the evaluation loss has not been below {best} for {self._without_better} evaluations"
            )
            control.should_training_stop = True

    def state(self) -> dict[str, Any]:
        return {"best": self._best, "without_better": self._without_better, "due": self._due}

    def restore(self, values: dict[str, Any]) -> None:
        self._best = values["best"]
        self._without_better = int(values["without_better"])
        self._due = bool(values["due"])
