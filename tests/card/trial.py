"""One measured update of a random model by the search for the largest batch, and the forecast of the same update."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.card.one_card import Card
from tests.card.random_model import Blocks, model_of
from tests.training.tiny import TinyOwner
from training_pro.progress import no_progress
from training_pro.settings import Settings
from training_pro.training.memory.checkpointing import Checkpointing
from training_pro.training.memory.forecast import Forecast, Work, forecast
from training_pro.training.memory.largest_batch import trials_on
from training_pro.training.memory.run_memory import RunMemory


@dataclass(frozen=True)
class Trial:
    """Bytes above what was in use before, the LoRA's own excepted: held by torch, and in tensors."""

    reserved: int
    allocated: int
    seconds: float
    expected: Forecast

    @property
    def expected_bytes(self) -> int:
        """The forecast of the same."""
        return self.expected.needed_bytes - self.expected.adapter

    @property
    def pass_bytes(self) -> int:
        """Of the forward and backward pass alone, in tensors."""
        return self.allocated - self.expected.optimizer


def tried(card: Card, owner: TinyOwner, settings: Settings, checkpointed: int, lengths: tuple[int, int]) -> Trial:
    """A first update of one block, then the measured one of `lengths` = (blocks, tokens)."""
    blocks, tokens = lengths
    expected = forecast(work_of(owner, settings), blocks, tokens, checkpointed)
    with trials_on(owner.loaded, settings, no_progress) as trials:
        Checkpointing.of(model_of(owner)).use(checkpointed)
        trials.samples, trials.order = Blocks([tokens] * blocks), list(range(blocks))
        start = card.allocated()
        trials.taken(1)
        card.wait()
        begun = time.perf_counter()
        reserved = trials.taken(blocks)
        card.wait()
        return Trial(reserved, card.most_allocated() - start, time.perf_counter() - begun, expected)


def work_of(owner: TinyOwner, settings: Settings) -> Work:
    """What the forecast knows, without what earlier runs have taught it."""
    return RunMemory.of(owner.loaded, settings, Path("/nowhere")).work
