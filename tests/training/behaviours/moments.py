"""The moments of a run without a Trainer: a fake one whose updates have the losses they are given."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.training.tiny import small_settings
from training_pro.record.history import History
from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviour, Behaviours
from training_pro.training.behaviours.meter import Meter
from training_pro.training.controls import Controls
from training_pro.training.loop.batch_sampler import EpochSampler

UPDATES_OF_AN_EPOCH = 10


class Optimizer:
    """As far as behaviours look at one."""

    def __init__(self) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": 0.0}]


class Runner:
    micro_batch_size = 2
    largest = (2, 8)


class Moments:
    """Plays the trainer; 10 updates are an epoch.

    `saves` has the reasons of the last update's checkpoint, `evaluating` whether it is evaluated, `stopped` why the run
    ends.
    """

    model: Any = None
    last_grad_norm = 1.0

    def __init__(self, folder: Path, settings: Settings | None = None, updates: int = 100) -> None:
        self.settings = settings or small_settings()
        self.controls = Controls(self.settings)
        self.points: list[Any] = []
        self.notes: list[str] = []
        self.history = History.open(folder / f"history{next(_NUMBERS)}.jsonl")
        self.meter = Meter(self.controls, self.history, lambda point, tokens: self.points.append((point, tokens)))
        self.optimizer: Any = Optimizer()
        self.lr_scheduler: Any = None
        self.order = EpochSampler(np.array([8, 8], np.int32), 1, 0, False)
        self.runner = Runner()
        self.last_loss = 0.0
        self.smoothed_loss: float | None = None
        self.update = 0
        self.total_updates = updates
        self.saves: list[str] = []
        self.evaluating = False
        self.saved_at_once: list[str] = []
        self.stopped = ""
        self.judge: Callable[[float], tuple[float, float]] | None = None  # the losses with and without the LoRA
        self.looks = 0
        self.behaviours = Behaviours([self.meter], self.notes.append)
        self.with_these()

    # -- what behaviours see and ask for --------------------------------------------------------------------------

    @property
    def epoch(self) -> float:
        return self.update / UPDATES_OF_AN_EPOCH

    @property
    def stopping(self) -> bool:
        return bool(self.stopped)

    def update_tokens(self) -> tuple[int, int]:
        return 10, 12

    def with_and_without(self) -> tuple[float, float] | None:
        self.looks += 1
        return self.judge(self.last_loss) if self.judge is not None else None

    def stop(self, reason: str) -> None:
        self.stopped = self.stopped or reason

    def ask_checkpoint(self, reason: str) -> None:
        self.saves.append(reason)

    def ask_evaluation(self) -> None:
        self.evaluating = True

    def save_now(self, reason: str) -> None:
        self.saved_at_once.append(reason)

    def while_paused(self) -> None:
        self.call(lambda behaviour: behaviour.while_paused())

    # -- what tests do --------------------------------------------------------------------------------------------

    def with_these(self, *behaviours: Behaviour) -> Moments:
        self.behaviours.members += behaviours
        self.behaviours.attach(self)
        return self

    def call(self, moment: Callable[[Behaviour], None]) -> None:
        self.behaviours.each(moment)

    def begin(self, update: int = 0) -> None:
        self.update = update
        self.call(lambda behaviour: behaviour.on_run_begin())

    def end(self) -> None:
        self.call(lambda behaviour: behaviour.on_run_end())

    def train(self, loss: float) -> Moments:
        """One update of this loss."""
        self.saves, self.evaluating, self.last_loss = [], False, loss
        self.call(lambda behaviour: behaviour.before_update())
        self.call(lambda behaviour: behaviour.before_step())
        self.update += 1
        self.call(lambda behaviour: behaviour.after_update())
        return self

    def evaluate(self, loss: float) -> Moments:
        self.saves = []
        self.call(lambda behaviour: behaviour.after_evaluation(loss))
        return self


_NUMBERS = itertools.count()
