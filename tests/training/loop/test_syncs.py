"""An update waits for the card twice, for its loss and its gradient norm, however many micro-batches it has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.loop.syncs import Waits, syncs_of_a_tiny_run, syncs_per_update
from tests.training.tiny import TinyOwner


@pytest.mark.parametrize("accumulation", [1, 3])
def test_waits_of_an_update(owner: TinyOwner, accumulation: int) -> None:
    assert syncs_per_update(owner, gradient_accumulation_steps=accumulation) == 2


def test_the_same_without_a_model_at_hand(tmp_path: Path) -> None:
    assert syncs_of_a_tiny_run(tmp_path) == 2


def test_the_count_sees_what_waits() -> None:
    waits, tensor = Waits(), torch.arange(6.0)
    waits.counting = True
    with waits:
        float(tensor.sum())
        tensor[tensor > 2]
        tensor.nonzero()
        tensor[torch.tensor([1, 2])]
    assert len(waits.where) == 3
