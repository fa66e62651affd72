"""The Trainer's moments without a Trainer: a state, a control, and a meter fed with losses."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from transformers import TrainerControl, TrainerState

from tests.training.tiny import small_settings
from training_pro.record.history import History
from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.meter import Meter
from training_pro.training.controls import Controls


class Facts:
    last_loss = 0.0
    last_grad_norm = 1.0

    def update_tokens(self) -> tuple[int, int]:
        return 10, 12


class Moments:
    """Calls behaviours as the Trainer does; 10 updates are an epoch."""

    def __init__(self, folder: Path, settings: Settings | None = None, updates: int = 100) -> None:
        self.settings = settings or small_settings()
        self.controls = Controls(self.settings)
        self.points: list[Any] = []
        self.history = History.open(folder / f"history{next(_NUMBERS)}.jsonl")
        self.meter = Meter(self.controls, self.history, lambda point, tokens: self.points.append((point, tokens)))
        self.meter.facts = self.facts = Facts()
        self.state = TrainerState(max_steps=updates)
        self.control = TrainerControl()
        self.behaviours: list[Behaviour] = [self.meter]
        self.parameter: Any = None

    def with_these(self, *behaviours: Behaviour) -> Moments:
        self.behaviours += behaviours
        return self

    def call(self, moment: str, **kwargs: Any) -> None:
        for behaviour in self.behaviours:
            getattr(behaviour, moment)(None, self.state, self.control, model=None, **kwargs)

    def begin(self, update: int = 0) -> None:
        self.state.global_step, self.state.epoch = update, update / 10
        self.call("on_train_begin")

    def update(self, loss: float) -> TrainerControl:
        """One update of this loss; the control as it is afterwards."""
        self.control.should_save = self.control.should_evaluate = False
        self.facts.last_loss = loss
        self.call("on_step_begin")
        self.state.global_step += 1
        self.state.epoch = self.state.global_step / 10
        self.call("on_step_end")
        return self.control

    def evaluate(self, loss: float) -> TrainerControl:
        self.call("on_evaluate", metrics={"eval_loss": loss})
        return self.control


_NUMBERS = itertools.count()
