"""What the trainer does besides training: each behaviour is a class with hooks for the moments of a run.

The trainer calls the hooks in the order in which the behaviours were given to it. A call costs microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from training_pro.errors import RunError, explain
from training_pro.training.loop.batch_sampler import EpochSampler
from training_pro.training.memory.run_memory import Updates


class Training(Protocol):
    """What a behaviour sees of the trainer, and what it can ask for."""

    model: Any
    optimizer: Any
    lr_scheduler: Any
    order: EpochSampler
    last_loss: float
    last_grad_norm: float
    smoothed_loss: float | None  # set by the meter

    @property
    def runner(self) -> Updates: ...

    @property
    def update(self) -> int:
        """How many updates are done."""

    @property
    def total_updates(self) -> int: ...

    @property
    def epoch(self) -> float:
        """How many epochs are done; whole at an epoch's end."""

    @property
    def stopping(self) -> bool:
        """Whether the run ends after this update."""

    def update_tokens(self) -> tuple[int, int]:
        """Real and computed tokens of the last update."""

    def with_and_without(self) -> tuple[float, float] | None:
        """The mean losses on blocks of the last update with the LoRA and without it; None where they can't be known."""

    def stop(self, reason: str) -> None:
        """End the run after this update; the first reason counts."""

    def ask_checkpoint(self, reason: str) -> None:
        """Write a checkpoint of this update, after an evaluation that is due."""

    def ask_evaluation(self) -> None:
        """Evaluate after this update."""

    def save_now(self, reason: str) -> None:
        """Write a checkpoint of the last update, between two updates."""

    def while_paused(self) -> None:
        """Let all behaviours do what people ask for during a pause."""


class Behaviour:
    """One thing the trainer does besides training; the files of this folder have them all.

    `trainer` is there from the trainer's making on. `dispensable` says what a behaviour does ("answering the sample
    prompts") if a run continues without it when it fails; "" if it doesn't.
    """

    trainer: Training
    dispensable = ""

    def on_run_begin(self) -> None:
        """Before the first update; what a checkpoint carries is restored already."""

    def on_epoch_begin(self) -> None:
        """Before the first update of an epoch, or of the rest of one."""

    def before_update(self) -> None:
        """Before the forward passes of an update."""

    def before_step(self) -> None:
        """The gradients are there, the optimizer's step comes next. With a gradient scaler they may be infinite: then
        it leaves the step out."""

    def after_update(self) -> None:
        """The weights are changed and the update counts as done."""

    def after_evaluation(self, loss: float) -> None:
        """The evaluation loss of the last update, in nats per token; NaN if no token counts."""

    def while_paused(self) -> None:
        """Every second or so in a pause."""

    def on_run_end(self) -> None:
        """After the last update of a run that was not interrupted and has not failed."""

    def close(self) -> None:
        """The run has ended, in whatever way; may be called twice."""

    def state(self) -> dict[str, Any]:
        """What a continued run must know, as JSON values."""
        return {}

    def restore(self, values: dict[str, Any]) -> None:
        """Take over what `state` gave."""


class Behaviours:
    """The behaviours of one run, called in order."""

    def __init__(self, members: Sequence[Behaviour], on_note: Callable[[str], None]) -> None:
        self.members = list(members)
        self._on_note = on_note

    def attach(self, trainer: Training) -> None:
        for behaviour in self.members:
            behaviour.trainer = trainer

    def each(self, moment: Callable[[Behaviour], None]) -> None:
        """Do `moment` with each of them.

        A dispensable one that raises is left out from then on, which is noted once. A `RunError` is always passed on:
        it means that the disk refuses, which concerns the whole run.
        """
        for behaviour in list(self.members):
            try:
                moment(behaviour)
            except RunError:
                raise
            except Exception as error:
                if not behaviour.dispensable:
                    raise
                self.members.remove(behaviour)
                self._on_note(f"{explain(error, behaviour.dispensable)} The run continues without it.")

    def state(self) -> dict[str, dict[str, Any]]:
        """By the class's name; JSON values."""
        return {type(b).__name__: state for b in self.members if (state := b.state())}

    def restore(self, states: dict[str, dict[str, Any]]) -> None:
        for behaviour in self.members:
            values = states.get(type(behaviour).__name__)
            if values:
                behaviour.restore(values)
