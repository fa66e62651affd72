"""The order of an epoch's blocks, as the data loader asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from training_pro.data.batch_order import WINDOW_BATCHES, epoch_order

__all__ = ["WINDOW_BATCHES", "EpochSampler", "epoch_order"]


def share_of(update: Sequence[int], batch_size: int, rank: int, processes: int) -> list[int]:
    """The blocks of one update that the process `rank` trains; `batch_size` are the blocks of all devices at once.

    Guarantees: over all ranks each block of `update` is there once; each batch is dealt out evenly, side by side, so
    that devices working at the same time hold like lengths. A short update can leave a process without any block.
    """
    batches = [update[start : start + batch_size] for start in range(0, len(update), batch_size)]
    return [block for batch in batches for block in np.array_split(batch, processes)[rank].tolist()]


class EpochSampler(Sampler[int]):
    """Gives `epoch_order` of its current `epoch`; `batch_size` counts the blocks on all devices at once."""

    def __init__(self, lengths: npt.NDArray[np.int32], batch_size: int, seed: int, group_by_length: bool) -> None:
        self._lengths = lengths
        self.batch_size = batch_size
        self._seed = seed
        self._group_by_length = group_by_length
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        order = epoch_order(self._lengths, self.batch_size, self._seed, self.epoch, self._group_by_length)
        return iter(order.tolist())


class UpdateSampler(Sampler[list[int]]):
    """Gives the data loader, update by update, the blocks that one of the processes trains."""

    def __init__(
        self, order: EpochSampler, batch_size: int, update_size: int, rank: int = 0, processes: int = 1
    ) -> None:
        """`batch_size` and `update_size` are the blocks on all devices at once, and of a whole update."""
        self._order = order
        self._batch_size = batch_size
        self._update_size = update_size
        self._rank = rank
        self._processes = processes

    def __len__(self) -> int:
        return -(-len(self._order) // self._update_size)

    def __iter__(self) -> Iterator[list[int]]:
        blocks = list(self._order)
        for start in range(0, len(blocks), self._update_size):
            update = blocks[start : start + self._update_size]
            yield share_of(update, self._batch_size, self._rank, self._processes)
