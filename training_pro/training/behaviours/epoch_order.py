"""Tells the sampler which epoch begins, so that the order is a pure function of seed and epoch."""

from __future__ import annotations

from typing import Any

from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.loop.batch_sampler import EpochSampler

_ROUNDING = 1e-9


class EpochOrder(Behaviour):
    """Sets the sampler's epoch at each epoch's begin, also after a continuation in mid-epoch."""

    def __init__(self, sampler: EpochSampler) -> None:
        self._sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._sampler.set_epoch(int((state.epoch or 0.0) + _ROUNDING))
