"""Finds the largest True Batch Size: real updates on the data's longest blocks, of which no trace stays.

Each trial is forward, backward and optimizer step on a fresh LoRA. On a card sizes are tried until one does not fit;
on the CPU, where the system kills rather than raises, sizes 1, 2 and 4 are measured and the rest is extrapolated,
within `CPU_SHARE` of what is free. Where the run chooses how many layers it checkpoints, trials checkpoint all: a run
can do that when memory is short. Costs a few updates: seconds on a card, up to minutes on a CPU.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from training_pro.data.samples import Samples
from training_pro.errors import ModelError
from training_pro.plan import make_plan
from training_pro.progress import Progress
from training_pro.settings import SPECS, Settings
from training_pro.training.loop.arguments import training_arguments
from training_pro.training.loop.batches import pad, pad_id, trained_tokens
from training_pro.training.loop.optimizers import Rates, make_optimizer
from training_pro.training.memory.card_limit import card_limit
from training_pro.training.memory.checkpointing import Checkpointing, layers_at_first
from training_pro.training.memory.forecast import CARD_SHARE, CPU_SHARE
from training_pro.training.memory.in_use import CARDS, PeakMemory, free_bytes, give_freed_memory_back
from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory
from training_pro.training.memory.run_memory import RunMemory
from training_pro.training.model.new_words import new_words_of
from training_pro.training.model.padding import needs_mask
from training_pro.training.model.precision import DeviceFacts, autocast_dtype, mixed_precision
from training_pro.training.model.prepare import ready
from training_pro.training.model.snapshot import ModelSnapshot
from training_pro.words import gigabytes

if TYPE_CHECKING:
    from training_pro.training.owner import Trainable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """The largest True Batch Size on `longest_tokens`, and what was really tried: sizes with their peaks in bytes.

    `most` is the size that was not to be passed: that of the data, or of the setting. `checkpointed`: how many of
    `layers` a run of this size has to checkpoint, by its forecast.
    """

    batch_size: int
    longest_tokens: int
    most: int
    free_bytes: int
    device: str
    tried: dict[int, int] = field(default_factory=dict)
    checkpointed: int = 0
    layers: int = 0

    def sentence(self) -> str:
        """One line for people."""
        said = f"True Batch Size {self.batch_size} fits with blocks of {self.longest_tokens} tokens"
        if self.checkpointed:
            said += f" and {self.checkpointed} of {self.layers} layers checkpointed"
        if self.batch_size == self.most:
            return f"{said}. This data has no more blocks."
        sizes = ", ".join(f"{size}: {gigabytes(peak)}" for size, peak in sorted(self.tried.items()))
        how = f". Tried: {sizes}"
        if self.device == "cpu":
            how += f"; estimated up to {CPU_SHARE:.0%} of the {gigabytes(self.free_bytes)} that are free"
        return said + how + "."


def find_largest(
    loaded: Trainable, samples: Samples, settings: Settings, memory: RunMemory, progress: Progress
) -> Found:
    """The largest batch of the longest `samples` that can be trained with `settings`.

    Guarantees: the model, the random state and the disk are as before, whatever happens.

    Raises:
        ModelError: not even one block fits; with the ways out.
        Cancelled: from `progress`, asked before each layer of each forward pass.
    """
    longest_first = np.argsort(-samples.lengths, kind="stable")
    longest = int(samples.lengths[longest_first[0]])
    most = min(len(samples), int(SPECS["batch_size"].high or len(samples)))
    with trials_on(loaded, settings, progress) as trials:
        trials.order, trials.samples = longest_first.tolist(), samples
        free = free_bytes(trials.device)
        trials.most_bytes = int(free * CARD_SHARE) if trials.may_raise else None
        if not trials.may_raise:
            expected = memory.forecast(1, longest).needed_bytes
            size = largest_by_extrapolating(trials.taken, expected, int(free * CPU_SHARE), most)
        else:
            size = largest_by_trying(trials.fits, most)
        tried = trials.tried
    run = memory.forecast(max(1, size), longest)
    if size == 0:
        raise ModelError(
            f"Not even one block of {longest} tokens fits: {gigabytes(free)} are free, about "
            f"{gigabytes(max(run.needed_bytes, tried.get(1, 0)))} are needed. To need less: {run.ways_out}.",
            option=run.options,
        )
    return Found(size, longest, most, free, trials.device.type, tried, run.checkpointed, run.layers)


@dataclass
class Trials:
    """Real updates on the model, each with its peak kept in `tried`."""

    model: Any
    optimizer: torch.optim.Optimizer
    device: torch.device
    dtype: torch.dtype | None  # of autocast
    pad_id: int
    progress: Progress
    tried: dict[int, int] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    samples: Samples | None = None
    size: int = 0
    start: int | None = None
    most_bytes: int | None = None  # of a card
    masked: bool = True  # as in a run: whether the model must know which tokens are padding

    @property
    def may_raise(self) -> bool:
        """Whether too much is answered by an error that can be caught, rather than by the process's end."""
        return self.device.type != "cpu"

    def taken(self, size: int) -> int:
        """The peak of an update of `size` blocks, above what was in use before the first."""
        self.size = size
        if self.device.type == "cpu":
            give_freed_memory_back()
        with PeakMemory(self.device, self.start) as peak:
            self.start = peak.start
            self.update(size)
        self.tried[size] = peak.bytes
        return peak.bytes

    def fits(self, size: int) -> bool:
        """Whether an update of `size` blocks can be done."""
        try:
            taken = self.taken(size)
        except BaseException as error:
            if not is_out_of_memory(error):
                raise
            logger.info("%d blocks do not fit", size)
            fitted = False
        else:
            fitted = self.most_bytes is None or taken <= self.most_bytes
        self.model.zero_grad(set_to_none=True)
        free_memory()
        return fitted

    def update(self, size: int) -> None:
        """A real update on the first `size` blocks of `order`; waits for the device."""
        assert self.samples is not None
        blocks = [self.samples[index] for index in self.order[:size]]
        batch = pad(blocks, self.pad_id, self.device, masked=self.masked)
        count = float(max(1, trained_tokens(blocks)))
        with self._autocast():
            output = self.model(
                **batch.inputs(), trained_at=batch.trained_at, num_items_in_batch=count, use_cache=False
            )
        output.loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type in CARDS:
            getattr(torch, self.device.type).synchronize(self.device)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def may_go_on(self, *_: Any) -> None:
        """Before each layer: ask whoever waits."""
        self.progress(len(self.tried), 0, f"trying True Batch Size {self.size}")


@contextmanager
def trials_on(loaded: Trainable, settings: Settings, progress: Progress) -> Iterator[Trials]:
    """The model with a LoRA and an optimizer as in a run; afterwards as it was."""
    snapshot = ModelSnapshot.take(loaded.model)
    try:
        with card_limit(loaded.model.get_input_embeddings().weight.device):
            yield _make_trials(loaded, settings, progress)
    finally:
        snapshot.restore()
        free_memory()


def _make_trials(loaded: Trainable, settings: Settings, progress: Progress) -> Trials:
    weight = loaded.model.get_input_embeddings().weight
    model = ready(loaded.model, settings, logger.info, new_words_of(loaded)).model
    checkpointing = Checkpointing.of(loaded.model)
    if layers_at_first(settings, len(checkpointing.layers)) is None:
        checkpointing.use(len(checkpointing.layers))
    arguments = training_arguments(settings, make_plan(1, 1, 1, 1.0), Path("unused"), weight.device, weight.dtype)
    optimizer = make_optimizer(model, arguments, Rates.of(settings))
    precision = mixed_precision(DeviceFacts.of(weight.device), weight.dtype)
    trials = Trials(
        model, optimizer, weight.device, autocast_dtype(precision), pad_id(loaded.tokenizer, len(weight)), progress
    )
    trials.masked = needs_mask(loaded.model)
    for module in loaded.model.modules():
        if isinstance(module, torch.nn.ModuleList):
            for layer in module:
                layer.register_forward_pre_hook(trials.may_go_on)
    return trials


def largest_by_trying(fits: Callable[[int], bool], most: int) -> int:
    """The largest size up to `most` that fits, 0 if not even 1 does; `fits` is asked about log2 times twice.

    Doubles until a size does not fit, then halves the gap between the last that did and the first that did not.
    """
    good, size = 0, 1
    while size <= most and fits(size):
        good, size = size, size * 2
    bad = min(size, most + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good


def largest_by_extrapolating(taken: Callable[[int], int], expected_of_one: int, limit_bytes: int, most: int) -> int:
    """The largest size up to `most` that should stay within `limit_bytes`; 0 if not even 1 does.

    `taken(size)` really tries a size and gives its peak in bytes. It is asked about 1, 2 and 4, and about none of
    which it is to be feared (by `expected_of_one`, then by what was measured) that it would pass the limit. Memory is
    a line in the size; of the slopes seen, the steepest counts.
    """
    if expected_of_one > limit_bytes:
        return 0
    peaks = {1: taken(1)}
    slope = float(peaks[1])  # as if nothing of it were needed only once
    for size in (2, 4):
        before = size // 2
        if size > most or peaks[before] + slope * (size - before) > limit_bytes:
            break
        peaks[size] = taken(size)
        steepness = (peaks[size] - peaks[before]) / (size - before)
        slope = max(steepness, 1.0) if size == 2 else max(slope, steepness)
    largest = max(peaks)
    if peaks[largest] > limit_bytes:
        return max((size for size in peaks if peaks[size] <= limit_bytes), default=0)
    return min(most, largest + int((limit_bytes - peaks[largest]) / slope))
