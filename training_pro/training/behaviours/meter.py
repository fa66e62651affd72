"""Measures each update and writes it to the history; the other behaviours read the last measurement here.

Costs some 100 microseconds an update; measuring memory some 50 more in each of the first `MEASURED_UPDATES`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import torch

from training_pro.record.history import History
from training_pro.record.points import Point
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.controls import Controls
from training_pro.training.memory.in_use import PeakMemory, process_memory_mb
from training_pro.training.memory.run_memory import Updates

LONGEST_WINDOW = 1000
MEASURED_UPDATES = 5


class Meter(Behaviour):
    """Makes a `Point` of every update; `smoothed_loss` is the mean of the last N losses, N live.

    `on_point(point, tokens_seen)` gets each; an evaluation hands the last point on again with its loss.
    """

    def __init__(self, controls: Controls, history: History, on_point: Callable[[Point, int], None]) -> None:
        self._controls = controls
        self._history = history
        self._on_point = on_point
        self._losses: deque[float] = deque(maxlen=LONGEST_WINDOW)
        self._started = time.monotonic()
        self._before_s = 0.0
        self._update_started = self._started
        self._learning_rate = 0.0
        self.last: Point | None = None
        self.tokens_seen = 0
        self.padded_tokens_seen = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, those before a continuation included."""
        return self._before_s + time.monotonic() - self._started

    def smoothed(self, window: int) -> float:
        """Mean of the last `window` losses; fewer so far: their mean; none: NaN."""
        recent = list(islice(reversed(self._losses), window))
        return sum(recent) / len(recent) if recent else float("nan")

    def on_run_begin(self) -> None:
        self._started = self._update_started = time.monotonic()

    def before_update(self) -> None:
        self._update_started = time.monotonic()

    def before_step(self) -> None:
        self._learning_rate = float(self.trainer.optimizer.param_groups[0]["lr"])

    def after_update(self) -> None:
        live, trainer = self._controls.take(), self.trainer
        self._losses.append(trainer.last_loss)
        real, padded = trainer.update_tokens()
        self.tokens_seen += real
        self.padded_tokens_seen += padded
        seconds = max(time.monotonic() - self._update_started, 1e-9)
        self.last = Point(
            update=trainer.update,
            epoch=trainer.epoch,
            loss=trainer.last_loss,
            smoothed_loss=self.smoothed(live.loss_window),
            learning_rate=self._learning_rate,
            grad_norm=trainer.last_grad_norm,
            tokens_per_s=real / seconds,
            elapsed_s=self.elapsed_s,
            memory_mb=process_memory_mb(),
        )
        trainer.smoothed_loss = self.last.smoothed_loss
        self._history.add(self.last)
        self._on_point(self.last, self.tokens_seen)

    def after_evaluation(self, loss: float) -> None:
        self._history.add_eval(self.trainer.update, loss)
        if self.last is not None:
            self.last = replace(self.last, eval_loss=loss)
            self._on_point(self.last, self.tokens_seen)

    def state(self) -> dict[str, Any]:
        return {
            "losses": list(self._losses),
            "elapsed_s": self.elapsed_s,
            "tokens_seen": self.tokens_seen,
            "padded_tokens_seen": self.padded_tokens_seen,
        }

    def restore(self, values: dict[str, Any]) -> None:
        self._losses.extend(values["losses"])
        self._before_s = float(values["elapsed_s"])
        self.tokens_seen = int(values["tokens_seen"])
        self.padded_tokens_seen = int(values["padded_tokens_seen"])


class MemoryPeak(Behaviour):
    """Measures what the first updates take in memory, so that the next forecast is corrected by it.

    `on_peak(runner, number, bytes)` gets the peak of each of them above what was in use before the first.
    """

    def __init__(self, device: torch.device, on_peak: Callable[[Updates, int, int], None]) -> None:
        self._device = device
        self._on_peak = on_peak
        self._peak: PeakMemory | None = None
        self._start: int | None = None
        self._seen = 0

    def before_update(self) -> None:
        if self._seen < MEASURED_UPDATES:
            self._peak = PeakMemory(self._device, self._start)
            self._start = self._peak.__enter__().start

    def after_update(self) -> None:
        if self._peak is None:
            return
        self._peak.__exit__(None, None, None)
        self._seen += 1
        self._on_peak(self.trainer.runner, self._seen, self._peak.bytes)
        self._peak = None
