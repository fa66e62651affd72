"""Asks for an evaluation every n updates and when the run finishes; ends the run when it no longer gets better."""

from __future__ import annotations

import math
from typing import Any

from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviour


class Evaluate(Behaviour):
    """Only with evaluation data; patience counts evaluations without a new lowest loss.

    A checkpoint written after an interrupt may lack the evaluation that was cut short; a run that continues from it
    evaluates before its first update.
    """

    def __init__(self, settings: Settings) -> None:
        self._every = settings.eval_steps
        self._patience = settings.eval_patience
        self._best: float | None = None
        self._without_better = 0
        self._due = False

    def on_run_begin(self) -> None:
        if self._due:
            self.trainer.ask_evaluation()

    def after_update(self) -> None:
        last = self.trainer.update >= self.trainer.total_updates or self.trainer.stopping
        if self.trainer.update % self._every == 0 or last:
            self._due = True
            self.trainer.ask_evaluation()

    def after_evaluation(self, loss: float) -> None:
        self._due = False
        if not math.isnan(loss) and (self._best is None or loss < self._best):
            self._best, self._without_better = loss, 0
            return
        self._without_better += 1
        if 0 < self._patience <= self._without_better:
            best = "infinity" if self._best is None else f"{self._best:.4f}"
            self.trainer.stop(f"the evaluation loss has not been below {best} for {self._without_better} evaluations")

    def state(self) -> dict[str, Any]:
        return {"best": self._best, "without_better": self._without_better, "due": self._due}

    def restore(self, values: dict[str, Any]) -> None:
        self._best = values["best"]
        self._without_better = int(values["without_better"])
        self._due = bool(values["due"])
