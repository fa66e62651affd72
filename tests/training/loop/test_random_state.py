"""Random states on disk: what is drawn after loading is what would have been drawn."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from training_pro.training.loop.random_state import RandomState


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_what_is_drawn_after_loading_is_what_would_have_been_drawn(tmp_path: Path) -> None:
    (tmp_path / "rng_state.pth").write_bytes(RandomState.take().file_bytes(one_process=True))
    wanted = drawn()
    assert drawn() != wanted
    RandomState.of_file(tmp_path / "rng_state.pth").restore()
    assert drawn() == wanted


@pytest.mark.parametrize("one_process", [True, False])
def test_the_states_of_all_cards_are_kept_beside_what_the_trainer_reads(
    one_process: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    now = RandomState.take()
    cards = [torch.arange(3, dtype=torch.uint8), torch.arange(4, dtype=torch.uint8)]
    state = RandomState(now.python, now.numpy, now.cpu, cards)
    (tmp_path / "state").write_bytes(state.file_bytes(one_process=one_process))
    found = RandomState.of_file(tmp_path / "state")
    assert [card.tolist() for card in found.cuda] == [card.tolist() for card in cards]
    trainers = torch.load(tmp_path / "state", weights_only=False)["cuda"]
    assert trainers.tolist() == cards[1].tolist() if one_process else len(trainers) == 2
