"""Decides after each update whether a checkpoint is due, and why. The trainer writes it."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

from training_pro.errors import RunError
from training_pro.record.checkpoints import newest_first
from training_pro.record.whole_files import remove_folder
from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.meter import Meter
from training_pro.training.controls import Controls

LOSS_DROP = 0.9
BEST = "best evaluation loss"
BY_HAND = "asked for by hand"
_ROUNDING = 1e-9


class Checkpoints(Behaviour):
    """Every n updates and at each epoch; by loss; by button; at the best evaluation loss.

    `reasons` are those of the checkpoint that is due; the trainer takes them when it writes.
    """

    def __init__(self, settings: Settings, controls: Controls, meter: Meter) -> None:
        self._every = settings.save_steps
        self._at_loss = settings.save_at_loss
        self._best = settings.save_best
        self._controls = controls
        self._meter = meter
        self._last_loss: float | None = None
        self._best_eval: float | None = None
        self._last_eval: float | None = None
        self._epochs_done = 0
        self.reasons: list[str] = []

    def take_reasons(self) -> str:
        """Why the checkpoint being written is written; the next one starts anew."""
        reasons, self.reasons = "; ".join(self.reasons), []
        return reasons or "asked for"

    @property
    def eval_loss(self) -> float | None:
        """The evaluation loss of the update just done, if it was evaluated."""
        return self._last_eval

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._last_eval = None
        if self._controls.take_checkpoint_request():
            self.reasons.append(BY_HAND)
        self._by_steps(state)
        self._by_loss()
        if self.reasons:
            control.should_save = True

    def _by_steps(self, state: Any) -> None:
        epochs = int((state.epoch or 0.0) + _ROUNDING)
        ended, self._epochs_done = epochs > self._epochs_done, epochs
        if self._every <= 0:
            return
        if state.global_step % self._every == 0:
            self.reasons.append(f"every {self._every} updates")
        if ended:
            self.reasons.append(f"end of epoch {epochs}")

    def _by_loss(self) -> None:
        smoothed = self._meter.smoothed(self._controls.values.loss_window)
        if self._at_loss <= 0 or not smoothed <= self._at_loss:
            return
        if self._last_loss is None:
            self.reasons.append(f"loss {smoothed:.3f} fell to {self._at_loss:g}")
        elif smoothed <= LOSS_DROP * self._last_loss:
            self.reasons.append(f"loss {smoothed:.3f} is 10 % below {self._last_loss:.3f}")
        else:
            return
        self._last_loss = smoothed

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        loss = self._last_eval = kwargs["metrics"]["eval_loss"]
        if math.isnan(loss) or (self._best_eval is not None and loss >= self._best_eval):
            return
        self._best_eval = loss
        if self._best:
            self.reasons.append(f"{BEST} {loss:.4f}")
            control.should_save = True

    def state(self) -> dict[str, Any]:
        return {"last_loss": self._last_loss, "best_eval": self._best_eval, "epochs_done": self._epochs_done}

    def restore(self, values: dict[str, Any]) -> None:
        self._last_loss = values["last_loss"]
        self._best_eval = values["best_eval"]
        self._epochs_done = int(values["epochs_done"])


logger = logging.getLogger(__name__)


def rotate(folder: Path, keep: int) -> list[Path]:
    """Remove the oldest checkpoints beyond `keep` (0: none); what was removed.

    Guarantees: the newest and the last one saved for its evaluation loss stay. One that can't be continued from (a
    person has taken files out of it) is not counted, and stays.
    """
    if keep <= 0:
        return []
    found = [checkpoint for checkpoint in newest_first(folder) if checkpoint.complete]
    best = next((checkpoint for checkpoint in found if BEST in checkpoint.reason), None)
    removed = []
    for checkpoint in found[keep:]:
        if checkpoint is best:
            continue
        try:
            remove_folder(checkpoint.path)
        except RunError as error:
            logger.warning("%s", error)
            continue
        removed.append(checkpoint.path)
    return removed
