"""A run's memory: forecast before it starts, made to fit, and learned from what its updates really take.

Made to fit: first by checkpointing layers, as few as it takes, then by smaller micro-batches.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from training_pro.errors import ModelError, RunError
from training_pro.record.whole_files import write_json_whole
from training_pro.settings import Settings
from training_pro.small_files import object_in
from training_pro.training.memory.checkpointing import Checkpointing
from training_pro.training.memory.forecast import CPU_SHARE, Forecast, Work, forecast, largest_that_fits, ways_out
from training_pro.training.memory.in_use import CARDS, free_bytes
from training_pro.training.memory.model_shape import model_shape, target_shapes
from training_pro.words import gigabytes

if TYPE_CHECKING:
    from torch import nn

    from training_pro.training.owner import Trainable

_WRITTEN_AFTER = (2, 5)  # updates
_FAST_TAKES = 4  # times what is forecast, where freed memory is kept; and besides:
_FAST_TAKES_MORE = 1024**3  # bytes


class Updates(Protocol):
    """What is asked of an `UpdateRunner`."""

    micro_batch_size: int
    largest: tuple[int, int]


@dataclass
class RunMemory:
    """`at_once` is how many blocks the run begins with on the device, `checkpointed` in how many layers it keeps only
    the input; both are set by `begin`."""

    work: Work
    kind: Kind
    cache: Path
    at_once: int = 0
    checkpointed: int = 0
    _layers: Checkpointing | None = None
    _changed: bool = False
    _largest_bytes: int = 0
    _factor: float | None = None

    @classmethod
    def of(cls, loaded: Trainable, settings: Settings, cache: Path) -> RunMemory:
        """The memory of a run of `settings` on this model; `cache` has what earlier runs took.

        Raises:
            ModelError: the model lacks the targets.
        """
        weight = loaded.model.get_input_embeddings().weight
        device = weight.device
        on_card = device.type in CARDS
        kind = Kind(
            loaded.label,
            loaded.quantization,
            device.type,
            f"{settings.targets} {settings.target_modules}".strip(),
            str(weight.dtype).removeprefix("torch."),
        )
        work = Work(
            shape=model_shape(loaded.model),
            targets=target_shapes(loaded.model, settings),
            settings=settings,
            device="cuda" if on_card else "cpu",
            free_bytes=free_bytes(device),
            quantized=loaded.quantization != "none",
            correction=correction(cache, kind),
        )
        return cls(work, kind, cache)

    def forecast(self, batch_size: int, longest_tokens: int) -> Forecast:
        """What batches of so many blocks take, the longest having so many tokens."""
        return forecast(self.work, batch_size, longest_tokens)

    def ways_out(self, longest_tokens: int) -> tuple[str, tuple[str, ...]]:
        """What would make the run need less where one block of so many tokens is too much."""
        return ways_out(self.work, longest_tokens, at_once=1)

    def begin(self, batch_size: int, longest_tokens: int) -> str:
        """Set `at_once` and `checkpointed`; what a person should know about it, or "".

        On the CPU, where the system would kill the process, both are such that the run stays within `CPU_SHARE` of
        what is free. On a card `at_once` is `batch_size`: running out of memory is met when it happens.

        Raises:
            ModelError: on the CPU not even one block fits into all that is free.
        """
        self.at_once = batch_size
        expected = self.forecast(batch_size, longest_tokens)
        self.checkpointed = expected.checkpointed
        if expected.fits:
            return self._chosen(expected)
        if self.work.device != "cpu":
            return f"{expected.sentence()} It is tried; should memory run out, the run takes fewer blocks at a time."
        self.at_once = max(1, largest_that_fits(self.work, batch_size, longest_tokens))
        fitting = self.forecast(self.at_once, longest_tokens)
        self.checkpointed = fitting.checkpointed
        if self.at_once == 1 and fitting.needed_bytes > fitting.free_bytes:
            raise ModelError(
                f"One block of {longest_tokens} tokens at a time needs about {gigabytes(fitting.needed_bytes)} of "
                f"memory, and {gigabytes(fitting.free_bytes)} are free. Close other programs, or: {fitting.ways_out}.",
                option=fitting.options,
            )
        if self.at_once == batch_size:
            return expected.sentence()
        return (
            f"{batch_size} blocks of up to {longest_tokens} tokens at once would need about "
            f"{gigabytes(expected.needed_bytes)}, more than {CPU_SHARE:.0%} of the {gigabytes(expected.free_bytes)} "
            f"that are free. The run takes {self.at_once} at a time with more accumulation; the result is the same."
        )

    def plentiful(self, longest_tokens: int) -> bool:
        """Whether a CPU run of `at_once` blocks can keep freed memory for speed; False on cards.

        Kept memory is split into pieces, so that the process grows by a multiple of what is in use at any time.
        """
        if self.work.device != "cpu":
            return False
        needed = self.forecast(self.at_once, longest_tokens).needed_bytes
        return _FAST_TAKES * needed + _FAST_TAKES_MORE <= CPU_SHARE * self.work.free_bytes

    def _chosen(self, expected: Forecast) -> str:
        """What a person should know of a choice that was made for them."""
        if self.work.settings.gradient_checkpointing != "auto" or not expected.checkpointed:
            return ""
        return (
            f"{expected.checkpointed} of {expected.layers} layers are checkpointed, so that the run fits into memory. "
            "This takes a little longer; the result is the same."
        )

    def checkpoint(self, model: nn.Module) -> None:
        """Checkpoint as many layers of `model` as `begin` found to be needed."""
        self._layers = Checkpointing.of(model)
        self._layers.use(self.checkpointed)

    def checkpoint_more(self) -> str:
        """After running out of memory: a sentence on what was done about it; "" where no layers are left to checkpoint,
        or how many there are is the person's choice."""
        if self._layers is None or self.work.settings.gradient_checkpointing != "auto":
            return ""
        said = self._layers.more()
        self._changed = self._changed or bool(said)
        self.checkpointed = self._layers.count
        return said

    def learn(self, updates: Updates, number: int, taken_bytes: int) -> None:
        """Take note of what the `number`-th update of this process took above what was in use before the first."""
        if self._changed or updates.micro_batch_size != self.at_once:  # it ran out of memory and was done again
            self.at_once, self._changed = updates.micro_batch_size, False
            return
        expected = forecast(replace(self.work, correction=1.0), *updates.largest, self.checkpointed)
        found = factor(expected, taken_bytes)
        if found is not None and expected.activations >= self._largest_bytes:
            self._largest_bytes, self._factor = expected.activations, found
        if self._factor is not None and number in _WRITTEN_AFTER:
            keep(self.cache, self.kind, self._factor)


logger = logging.getLogger(__name__)

FILE = "measured_memory.json"
LEAST, MOST = 0.25, 8.0
_TELLING_BYTES = 32 * 1024 * 1024  # below this, what else the process does weighs as much


@dataclass(frozen=True)
class Kind:
    """Runs that are alike in how their memory grows: `targets` are the layers with a LoRA, `dtype` is that of the
    weights that are not quantized."""

    model: str
    quantization: str
    device: str
    targets: str
    dtype: str

    @property
    def key(self) -> str:
        return "|".join((self.model, self.quantization, self.device, self.targets, self.dtype))


def correction(cache: Path, kind: Kind) -> float:
    """The factor on activations and loss for runs of this kind; 1.0 where none was measured."""
    value = object_in(cache / FILE).get(kind.key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 1.0
    return min(max(float(value), LEAST), MOST)


def factor(expected: Forecast, measured_bytes: int) -> float | None:
    """How many times what was expected (uncorrected) an update really took above what was in use before the first one;
    None: too little to tell."""
    certain = expected.gradients + expected.optimizer
    varying = expected.activations + expected.loss
    if min(measured_bytes, varying) < _TELLING_BYTES:
        return None
    return min(max((measured_bytes - certain) / varying, LEAST), MOST)


def keep(cache: Path, kind: Kind, value: float) -> None:
    """Remember `value` for the next run of this kind; never the reason for a failure."""
    known = object_in(cache / FILE)
    if known.get(kind.key) == value:
        return
    with suppress(OSError, RunError):
        cache.mkdir(parents=True, exist_ok=True)
        write_json_whole(cache / FILE, {**known, kind.key: round(value, 3)})
