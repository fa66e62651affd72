"""The order of an epoch's blocks, as the data loader asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from training_pro.data.order import WINDOW_BATCHES, epoch_order

__all__ = ["WINDOW_BATCHES", "EpochSampler", "epoch_order"]


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
