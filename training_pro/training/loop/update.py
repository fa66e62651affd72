"""One optimizer update: its blocks cut into micro-batches, forward and backward each, out of memory survived.

The Trainer hands over all blocks of an update at once (its own accumulation is 1), so that running out of
memory can cut *these* blocks again and redo the whole update: gradients cleared, random state put back to the
update's start. The loss is averaged over all trained tokens of the update, of all processes: 4 x 2 and 8 x 1
teach the same.

Several processes meet after each micro-batch, with gradients still their own, so that memory that runs out in one of
them, or an interrupt, is known to all before anybody waits for gradients. Only then DDP exchanges these, once, through
a backward pass over no tokens at all.

Sharded weights are exchanged within each forward and backward pass: there the processes go in lockstep, each with as
many micro-batches as any, and memory that runs out ends the run.
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
from training_pro.training.loop.batches import cut, nothing_to_learn, pad, trained_tokens, with_little_padding
from training_pro.training.loop.random_state import RandomState
from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory
from training_pro.training.several.team import ALONE, Team
from training_pro.words import reason_of

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)

_WAYS_OUT = (
    "set Gradient Checkpoint to auto, lower the Maximum context length or the LoRA Rank, or load the model in 4-bit"
)
_OPTIONS = (
    "--set gradient_checkpointing=auto", "--set max_tokens=NUMBER", "--set rank=NUMBER", "--quantization 4-bit"
)  # fmt: skip

_NEXT_SIZES = (0.8, 0.7, 0.5)  # share of the size that did not fit, by how many tries have failed before


def nothing_to_checkpoint() -> str:
    return ""


class Interrupted(Exception):
    """The run must end now; the update in progress is given up, its random state put back."""


@dataclass(frozen=True)
class _Short:
    """Memory ran out with `size` blocks at once, the longest of them of so many tokens."""

    size: int
    longest_tokens: int
    message: str


def smaller(size: int, tries: int) -> int:
    """The next size to try after `size` blocks did not fit; the further off it seems, the larger the step."""
    return max(1, min(size - 1, int(size * _NEXT_SIZES[min(tries, len(_NEXT_SIZES) - 1)])))


@dataclass
class UpdateRunner:
    """Runs updates and remembers the micro-batch size that fits.

    `may_go_on` is asked before each micro-batch; `on_smaller` gets a sentence for every cut. `tokens` and
    `padded_tokens` are those of the last update, of all processes.
    """

    accelerator: Accelerator
    pad_id: int
    micro_batch_size: int
    may_go_on: Callable[[], bool]
    on_smaller: Callable[[str], None]
    team: Team = ALONE
    lockstep: bool = False
    tokens: int = 0
    padded_tokens: int = 0
    loss: float = math.nan  # of the last update, over the trained tokens of all processes
    masked: bool = True  # whether the model must know which tokens are padding
    largest: tuple[int, int] = (0, 0)  # blocks and tokens of the update's largest micro-batch
    ways_out: str = _WAYS_OUT
    options: tuple[str, ...] = _OPTIONS
    checkpoint_more: Callable[[], str] = nothing_to_checkpoint  # asked first; "" if it can't help
    random_at_start: RandomState | None = field(default=None, repr=False)

    def run(self, model: torch.nn.Module, samples: list[dict[str, Any]]) -> torch.Tensor:
        """Forward and backward over `samples`, this process's share of the update.

        Gives the mean loss over all trained tokens of the whole update (0-d, fp32, detached), in every process the
        same; so are the gradients then.

        Guarantees: when it raises, gradients and random state are as at the update's start.

        Raises:
            Interrupted: the person wants the run to end.
            ModelError: not even one block at a time fits in memory.
        """
        self.random_at_start = RandomState.take()
        tries = 0
        try:
            while (short := self._attempt(model, samples)) is not None:
                self._make_smaller(model, short, tries)
                tries += 1
            self._exchange_gradients(model)
            return torch.full((), self.loss, dtype=torch.float32, device=self.accelerator.device)
        except BaseException:
            self.clear(model)
            raise

    def _make_smaller(self, model: torch.nn.Module, short: _Short, tries: int) -> None:
        """Outside of any except block, so that the failed tensors are no longer referred to by the trace."""
        self.clear(model)
        free_memory()
        said = self.checkpoint_more()
        if said:
            self.on_smaller(said)
            return
        if short.size == 1:
            raise ModelError(
                f"Out of memory with one block of {short.longest_tokens} tokens at a time ({short.message}). To need "
                f"less: {self.ways_out}.",
                option=self.options,
            )
        self.micro_batch_size = smaller(short.size, tries)
        self.on_smaller(
            f"Out of memory with {short.size} blocks at once; this update and the next ones take "
            f"{self.micro_batch_size} at a time with more accumulation. The result is the same."
        )

    def clear(self, model: torch.nn.Module) -> None:
        """Back to the update's start: no gradients, the random state of then."""
        model.zero_grad(set_to_none=True)
        if self.random_at_start is not None:
            self.random_at_start.restore()

    def _attempt(self, model: torch.nn.Module, samples: list[dict[str, Any]]) -> _Short | None:
        """One try at all micro-batches, each process its own; what did not fit, or None. Waits for the device once."""
        pieces = cut(samples, self.micro_batch_size)
        if self.team.size == 1:  # several processes compute side by side, and would wait for the one with more pieces
            pieces = [part for piece in pieces for part in with_little_padding(piece)]
        shares = self.team.gather([trained_tokens(samples), len(pieces)])
        count, rounds = float(max(sum(tokens for tokens, _ in shares), 1)), max(pieces for _, pieces in shares)
        total = torch.zeros((), dtype=torch.float32, device=self.accelerator.device)
        self.tokens = self.padded_tokens = 0
        self.largest = (0, 0)
        reports: list[Any] = []
        for number in range(rounds):
            if not self.may_go_on():
                raise Interrupted
            piece = pieces[number] if number < len(pieces) else []
            loss, short = None, None
            if self.lockstep:
                loss = self._in_lockstep(model, piece, count, last=number == rounds - 1)
            elif piece:
                loss, short = self._try(model, piece, count)
            if loss is not None:
                total += loss
            last = float(total) if number == rounds - 1 else 0.0
            reports = self.team.meet([vars(short) if short else None, last, self.tokens, self.padded_tokens])
            shorts = [_Short(**found) for found, *_ in reports if found]
            if shorts:
                return min(shorts, key=lambda short: short.size)
        self.tokens, self.padded_tokens = sum(r[2] for r in reports), sum(r[3] for r in reports)
        self.loss = sum(r[1] for r in reports)
        return None

    def _try(
        self, model: torch.nn.Module, piece: list[dict[str, Any]], count: float
    ) -> tuple[torch.Tensor | None, _Short | None]:
        try:
            with self._no_exchange(model):
                return self._micro_batch(model, piece, count), None
        except BaseException as error:
            if not is_out_of_memory(error):
                raise
            longest = max(len(sample["input_ids"]) for sample in piece)
            return None, _Short(len(piece), longest, reason_of(error))

    def _in_lockstep(
        self, model: torch.nn.Module, piece: list[dict[str, Any]], count: float, last: bool
    ) -> torch.Tensor:
        """Raises:
        ModelError: memory has run out; the other processes are in the middle of an exchange and can't react.
        """
        self.accelerator.gradient_state._set_sync_gradients(last)  # DeepSpeed steps within the last backward pass
        with contextlib.nullcontext() if last else self._no_exchange(model), self.team.no_way_back():
            try:
                return self._micro_batch(model, piece, count)
            except BaseException as error:
                if not is_out_of_memory(error):
                    raise
                raise ModelError(
                    f"Out of memory with {len(piece)} blocks at once; with a sharded model that can't be mended while "
                    "it trains: lower the True Batch Size and start the same command again."
                ) from error
            finally:
                self.accelerator.gradient_state._set_sync_gradients(True)

    def _micro_batch(self, model: torch.nn.Module, piece: list[dict[str, Any]], count: float) -> torch.Tensor:
        device = self.accelerator.device
        batch = pad(piece, self.pad_id, device, masked=self.masked) if piece else nothing_to_learn(self.pad_id, device)
        with self.accelerator.autocast():
            output = model(**batch.inputs(), trained_at=batch.trained_at, num_items_in_batch=count, use_cache=False)
        loss: torch.Tensor = output.loss
        self.accelerator.backward(loss * self.team.size)  # DDP averages over the processes
        self.tokens += sum(len(sample["input_ids"]) for sample in piece)
        self.padded_tokens += batch.input_ids.numel() if piece else 0
        blocks, tokens = batch.input_ids.shape
        self.largest = max(self.largest, (blocks, tokens), key=math.prod)
        return loss.detach().float()

    def _no_exchange(self, model: torch.nn.Module) -> contextlib.AbstractContextManager[Any]:
        if self.team.size == 1:
            return contextlib.nullcontext()
        manager: contextlib.AbstractContextManager[Any] = self.accelerator.no_sync(model)
        return manager

    def _exchange_gradients(self, model: torch.nn.Module) -> None:
        """Through DDP's own forward and backward: an empty batch gives every trained parameter a gradient of zero,
        to which DDP adds up what the processes have gathered."""
        if self.team.size == 1 or self.lockstep:
            return
        nothing = torch.zeros((0, 1), dtype=torch.int64, device=self.accelerator.device)
        with self.team.no_way_back():
            self.accelerator.backward(model(input_ids=nothing, labels=nothing, use_cache=False).loss)
