"""A card played by the processor, so that the checks of a real one can be tried, with models of the smallest size.

Faked is what only a card has: how much memory there is and is taken (always the same), and that memory runs out (above
eight blocks at once). Everything else is as on a card: the checks, and the runs and searches that they make.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import torch

from tests.card.fake_model import SIZES
from tests.card.one_card import GIB, Card, Peak
from tests.card.random_model import Scale
from tests.training.loop.syncs import Waits
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.memory import largest_batch
from training_pro.training.model.precision import DeviceFacts

_MOST_BLOCKS = 8
TINY = Scale(
    sizes={name: replace(SIZES["tiny"], hidden=64, feed_forward=128) for name in SIZES},
    tokens=16,
    long_tokens=24,
    updates=4,
    words=(50, 60, 70),
    layers=1,
    hidden=64,
)


class PlayedCard(Card):
    """It can do what the checks ask of a card."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))

    @property
    def total_bytes(self) -> int:
        return 80 * GIB

    def free_bytes(self) -> int:
        return 70 * GIB

    def allocated(self) -> int:
        return GIB

    def most_allocated(self) -> int:
        return 2 * GIB

    def wait(self) -> None:
        """Nothing is ever late here."""

    @contextmanager
    def watched(self) -> Iterator[Peak]:
        yield Peak()

    @contextmanager
    def played(self, limit_bytes: int) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(UpdateRunner, "_micro_batch", _short(UpdateRunner._micro_batch)))
            trials = largest_batch.Trials
            stack.enter_context(mock.patch.object(trials, "update", _short(trials.update)))
            stack.enter_context(mock.patch.object(trials, "may_raise", True))
            yield

    @contextmanager
    def as_if(self, capability: tuple[int, int]) -> Iterator[None]:
        with mock.patch.object(DeviceFacts, "of", lambda device: DeviceFacts("cpu", capability >= (8, 0))):
            yield

    def waits(self) -> Any:
        return Waits()


def _short(work: Any) -> Any:
    """`work`, of which more than some blocks at once run out of memory; they are its second argument."""

    def working(self: Any, *given: Any) -> Any:
        blocks = next((len(one) if isinstance(one, list) else one for one in given if isinstance(one, (list, int))), 0)
        if blocks > _MOST_BLOCKS:
            raise torch.OutOfMemoryError("CUDA out of memory. (played)")
        return work(self, *given)

    return working
