"""The mean loss over evaluation samples, each trained token counting once however the samples are batched.

Costs one forward pass over the samples, longest first, so that running out of memory shows at once; then the
batch is made smaller and the evaluation continues. Several processes share the samples. Nothing of the training is
touched but the model's mode, put back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from training_pro.data.samples import Samples
from training_pro.errors import ModelError
from training_pro.training.loop.batches import ReadableSamples, TokenBlocks, nothing_to_learn, pad, trained_tokens
from training_pro.training.loop.update import Interrupted, smaller
from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory
from training_pro.training.several.team import ALONE, Team

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass
class Evaluation:
    """Evaluates, and remembers the batch size that fits. `may_go_on` is asked before each batch."""

    accelerator: Accelerator
    pad_id: int
    batch_size: int
    may_go_on: Callable[[], bool]
    on_progress: Callable[[int, int], None]
    on_note: Callable[[str], None]
    team: Team = ALONE
    lockstep: bool = False
    masked: bool = True  # whether the model must know which tokens are padding
    _tries: int = field(default=0, init=False)  # that ran out of memory in this evaluation

    def mean_loss(self, model: Any, samples: Samples | TokenBlocks) -> float:
        """Nats per trained token, in every process the same; NaN if no token is trained.

        Raises:
            Interrupted: the person wants the run to end.
            DataError: a sample can't be read.
            ModelError: not even one sample fits in memory.
        """
        self._tries = 0
        order = sorted(range(len(samples)), key=lambda i: -int(samples.lengths[i]))[self.team.rank :: self.team.size]
        readable = ReadableSamples(samples)
        training = model.training
        model.eval()
        total, count, done, left = 0.0, 0, 0, len(samples)
        reports: list[Any] = []
        try:
            while left:
                if not self.may_go_on():
                    raise Interrupted
                picked = [readable[i] for i in order[done : done + self.batch_size]]
                loss = self._summed_loss(model, picked) if picked or self.lockstep else 0.0
                if loss is None:
                    self._make_smaller(picked)
                else:
                    total, count, done = total + loss, count + trained_tokens(picked), done + len(picked)
                    self.on_progress(done, len(order))
                reports = self.team.meet([len(order) - done, total, count])
                left = max(r[0] for r in reports)
        finally:
            model.train(training)
        total, count = sum(r[1] for r in reports), sum(r[2] for r in reports)
        return total / count if count else math.nan

    def _summed_loss(self, model: Any, picked: list[Any]) -> float | None:
        """The summed loss of these samples, or None when they do not fit in memory at once."""
        try:
            with torch.no_grad(), self.accelerator.autocast():
                device = self.accelerator.device
                batch = nothing_to_learn(self.pad_id, device)
                if picked:
                    batch = pad(picked, self.pad_id, device, masked=self.masked)
                output = model(**batch.inputs(), trained_at=batch.trained_at, num_items_in_batch=1, use_cache=False)
                return float(output.loss)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _make_smaller(self, picked: list[Any]) -> None:
        free_memory()
        if len(picked) == 1:
            raise ModelError(
                f"Out of memory while evaluating one block of {len(picked[0]['input_ids'])} tokens; lower the Maximum "
                "context length, load the model in 4-bit, or leave the evaluation data out."
            )
        self.batch_size = smaller(len(picked), self._tries)
        self._tries += 1
        self.on_note(f"Out of memory in the evaluation; it continues with {self.batch_size} blocks at once.")
