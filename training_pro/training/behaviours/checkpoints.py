"""Decides after each update whether a checkpoint is due, and why; and which old ones are removed.

The trainer writes the checkpoint. Deciding costs microseconds.
"""

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

logger = logging.getLogger(__name__)


class Checkpoints(Behaviour):
    """Every n updates and at each epoch; by loss; by button; at the best evaluation loss."""

    def __init__(self, settings: Settings, controls: Controls, meter: Meter) -> None:
        self._every = settings.save_steps
        self._at_loss = settings.save_at_loss
        self._best = settings.save_best
        self._controls = controls
        self._meter = meter
        self._last_loss: float | None = None
        self._best_eval: float | None = None
        self._epochs_done = 0

    def after_update(self) -> None:
        if self._controls.take_checkpoint_request():
            self.trainer.ask_checkpoint(BY_HAND)
        self._by_steps()
        self._by_loss()

    def while_paused(self) -> None:
        if self.trainer.update > 0 and self._controls.take_checkpoint_request():
            self.trainer.save_now(BY_HAND)

    def _by_steps(self) -> None:
        epochs = int(self.trainer.epoch + _ROUNDING)
        ended, self._epochs_done = epochs > self._epochs_done, epochs
        if self._every <= 0:
            return
        if self.trainer.update % self._every == 0:
            self.trainer.ask_checkpoint(f"every {self._every} updates")
        if ended:
            self.trainer.ask_checkpoint(f"end of epoch {epochs}")

    def _by_loss(self) -> None:
        smoothed = self._meter.smoothed(self._controls.values.loss_window)
        if self._at_loss <= 0 or not smoothed <= self._at_loss:
            return
        if self._last_loss is None:
            self.trainer.ask_checkpoint(f"loss {smoothed:.3f} fell to {self._at_loss:g}")
        elif smoothed <= LOSS_DROP * self._last_loss:
            self.trainer.ask_checkpoint(f"loss {smoothed:.3f} is 10 % below {self._last_loss:.3f}")
        else:
            return
        self._last_loss = smoothed

    def after_evaluation(self, loss: float) -> None:
        if math.isnan(loss) or (self._best_eval is not None and loss >= self._best_eval):
            return
        self._best_eval = loss
        if self._best:
            self.trainer.ask_checkpoint(f"{BEST} {loss:.4f}")

    def state(self) -> dict[str, Any]:
        return {"last_loss": self._last_loss, "best_eval": self._best_eval, "epochs_done": self._epochs_done}

    def restore(self, values: dict[str, Any]) -> None:
        self._last_loss = values["last_loss"]
        self._best_eval = values["best_eval"]
        self._epochs_done = int(values["epochs_done"])


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
