"""One optimizer update: its blocks cut into micro-batches, forward and backward each, out of memory survived.

The Trainer hands over all blocks of an update at once (its own accumulation is 1), so that running out of
memory can cut *these* blocks again and redo the whole update: gradients cleared, random state put back to the
update's start. The loss is averaged over all trained tokens of the update, of all processes: 4 x 2 and 8 x 1
teach the same.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from training_pro.errors import ModelError
from training_pro.training.batches import UpdateBatch, cut, pad, trained_tokens
from training_pro.training.oom import free_memory, is_out_of_memory
from training_pro.training.randomness import RandomState

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)

_WAYS_OUT = (
    "turn on Use Gradient Checkpoint, lower the Maximum context length or the LoRA Rank, or load the model in 4-bit"
)


class Interrupted(Exception):
    """The run must end now; the update in progress is given up, its random state put back."""


@dataclass
class UpdateRunner:
    """Runs updates and remembers the micro-batch size that fits.

    `may_go_on` is asked before each micro-batch; `on_smaller` is told of every cut.
    """

    accelerator: Accelerator
    pad_id: int
    micro_batch_size: int
    may_go_on: Callable[[], bool]
    on_smaller: Callable[[str], None]
    tokens: int = 0
    padded_tokens: int = 0
    largest: tuple[int, int] = (0, 0)  # blocks and tokens of the update's largest micro-batch
    ways_out: str = _WAYS_OUT
    random_at_start: RandomState | None = field(default=None, repr=False)

    def run(self, model: torch.nn.Module, batch: UpdateBatch) -> torch.Tensor:
        """Forward and backward over all blocks of `batch`; the update's mean loss (0-d, fp32, detached).

        Guarantees: when it raises, gradients and random state are as at the update's start.

        Raises:
            Interrupted: the person wants the run to end.
            ModelError: not even one block at a time fits in memory.
        """
        self.random_at_start = RandomState.take()
        while True:
            try:
                return self._attempt(model, batch.samples)
            except BaseException as error:
                if not is_out_of_memory(error):
                    self.clear(model)
                    raise
                message = str(error).strip().split("\n")[0]
            self._make_smaller(model, batch, message)

    def _make_smaller(self, model: torch.nn.Module, batch: UpdateBatch, message: str) -> None:
        """Outside the except block, so that the failed tensors are no longer referred to by the trace."""
        self.clear(model)
        free_memory()
        size = min(self.micro_batch_size, len(batch.samples))
        if size == 1:
            longest = max(len(sample["input_ids"]) for sample in batch.samples)
            raise ModelError(
                f"Out of memory with one block of {longest} tokens at a time ({message}). To need less: "
                f"{self.ways_out}."
            )
        self.micro_batch_size = math.ceil(size / 2)
        self.on_smaller(
            f"Out of memory with {size} blocks at once; this update and the next ones take {self.micro_batch_size} "
            "at a time with more accumulation. The result is the same."
        )

    def clear(self, model: torch.nn.Module) -> None:
        """Back to the update's start: no gradients, the random state of then."""
        model.zero_grad(set_to_none=True)
        if self.random_at_start is not None:
            self.random_at_start.restore()

    def _attempt(self, model: torch.nn.Module, samples: list[dict[str, Any]]) -> torch.Tensor:
        count = self._tokens_of_all_processes(trained_tokens(samples))
        pieces = cut(samples, self.micro_batch_size)
        total = torch.zeros((), dtype=torch.float32, device=self.accelerator.device)
        self.tokens = self.padded_tokens = 0
        self.largest = (0, 0)
        for number, piece in enumerate(pieces, start=1):
            if not self.may_go_on():
                raise Interrupted
            with self._sync(model, last=number == len(pieces)):
                total += self._micro_batch(model, piece, count)
        return total

    def _micro_batch(self, model: torch.nn.Module, piece: list[dict[str, Any]], count: float) -> torch.Tensor:
        batch = pad(piece, self.pad_id, self.accelerator.device)
        with self.accelerator.autocast():
            loss: torch.Tensor = model(**batch.inputs(), num_items_in_batch=count, use_cache=False).loss
        self.accelerator.backward(loss * self.accelerator.num_processes)
        self.tokens += sum(len(sample["input_ids"]) for sample in piece)
        self.padded_tokens += batch.input_ids.numel()
        blocks, tokens = batch.input_ids.shape
        self.largest = max(self.largest, (blocks, tokens), key=math.prod)
        return loss.detach().float()

    def _sync(self, model: torch.nn.Module, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Several processes exchange gradients once an update, with its last micro-batch."""
        if last or self.accelerator.num_processes == 1:
            return contextlib.nullcontext()
        manager: contextlib.AbstractContextManager[Any] = self.accelerator.no_sync(model)
        return manager

    def _tokens_of_all_processes(self, own: int) -> float:
        if self.accelerator.num_processes == 1:
            return max(own, 1)
        count = torch.tensor(float(own), device=self.accelerator.device)
        return max(float(self.accelerator.reduce(count, reduction="sum")), 1.0)
