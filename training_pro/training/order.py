"""In which order blocks are trained: mixed anew each epoch, like lengths side by side where that saves padding.

Blocks are shuffled, cut into windows of `WINDOW_BATCHES` batches, sorted by length within a window, cut into
batches, and the batches are shuffled again: little padding, and which blocks meet in a batch changes each
epoch. A pure function of seed and epoch, so that a continued run goes on at the very block.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

WINDOW_BATCHES = 128


def epoch_order(
    lengths: npt.NDArray[np.int32], batch_size: int, seed: int, epoch: int, group_by_length: bool
) -> npt.NDArray[np.int64]:
    """The indices of all blocks, each once, batch after batch; only the last batch may be short."""
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(lengths))
    if not group_by_length or batch_size == 1:
        return order
    window = WINDOW_BATCHES * batch_size
    pieces = [order[start : start + window] for start in range(0, len(order), window)]
    by_length = np.concatenate([piece[np.argsort(lengths[piece], kind="stable")] for piece in pieces])
    return _shuffled_batches(by_length, batch_size, generator)


def _shuffled_batches(
    order: npt.NDArray[np.int64], batch_size: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    whole = len(order) // batch_size
    batches = order[: whole * batch_size].reshape(whole, batch_size)
    return np.concatenate([batches[generator.permutation(whole)].reshape(-1), order[whole * batch_size :]])


class EpochSampler(Sampler[int]):
    """Gives `epoch_order` of its current `epoch` to the data loader."""

    def __init__(self, lengths: npt.NDArray[np.int32], batch_size: int, seed: int, group_by_length: bool) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._group_by_length = group_by_length
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        order = epoch_order(self._lengths, self._batch_size, self._seed, self.epoch, self._group_by_length)
        return iter(order.tolist())
