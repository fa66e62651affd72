"""Measures each update and writes it to the history; the other behaviours read the last measurement here."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

from training_pro.record.history import History
from training_pro.record.points import Point
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.controls import Controls
from training_pro.training.memory.in_use import process_memory_mb

LONGEST_WINDOW = 1000


class UpdateFacts(Protocol):
    """What the trainer knows about the update just done."""

    last_loss: float
    last_grad_norm: float

    def update_tokens(self) -> tuple[int, int]:
        """Real and computed tokens of the update."""
        ...


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
        self.facts: UpdateFacts | None = None
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

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._started = self._update_started = time.monotonic()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._update_started = time.monotonic()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._learning_rate = float(kwargs["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.facts is None:
            return
        live = self._controls.take()
        self._losses.append(self.facts.last_loss)
        real, padded = self.facts.update_tokens()
        self.tokens_seen += real
        self.padded_tokens_seen += padded
        seconds = max(time.monotonic() - self._update_started, 1e-9)
        self.last = Point(
            update=state.global_step,
            epoch=state.epoch or 0.0,
            loss=self.facts.last_loss,
            smoothed_loss=self.smoothed(live.loss_window),
            learning_rate=self._learning_rate,
            grad_norm=self.facts.last_grad_norm,
            tokens_per_s=real / seconds,
            elapsed_s=self.elapsed_s,
            memory_mb=process_memory_mb(),
        )
        self._history.add(self.last)
        self._on_point(self.last, self.tokens_seen)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        loss = kwargs["metrics"]["eval_loss"]
        self._history.add_eval(state.global_step, loss)
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
