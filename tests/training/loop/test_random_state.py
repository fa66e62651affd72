"""Random states on disk: what is drawn after loading is what would have been drawn."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from training_pro.training.loop.random_state import RandomState
from training_pro.training.loop.trainer import LoraTrainer
from training_pro.training.several.team import ALONE


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


class Card:
    """As far as torch is asked for the generators of a kind of device; there are two of it."""

    def __init__(self) -> None:
        self.states = [torch.tensor([1, 2], dtype=torch.uint8), torch.tensor([3], dtype=torch.uint8)]
        self.restored: dict[int, list[int]] = {}

    def played_by(self, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        answers: dict[str, Any] = {
            "is_available": lambda: True,
            "is_initialized": lambda: True,
            "device_count": lambda: 2,
            "current_device": lambda: 0,
            "get_rng_state_all": lambda: [state.clone() for state in self.states],
            "set_rng_state": self._restore,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(module, name, answer)

    def _restore(self, state: torch.Tensor, number: int) -> None:
        self.restored[number] = state.tolist()


@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_a_run_that_continues_gets_the_generators_of_all_cards_back(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card()
    with monkeypatch.context() as patch:
        card.played_by(getattr(torch, kind), patch)
        (tmp_path / "rng_state.pth").write_bytes(RandomState.take().file_bytes(one_process=True))
        trainer: Any = SimpleNamespace(team=ALONE)
        LoraTrainer._restore_random_state(trainer, tmp_path)
    assert card.restored == {0: [1, 2], 1: [3]}


def test_the_generator_of_a_mac_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restored: list[list[int]] = []
    with monkeypatch.context() as patch:
        patch.setattr(torch.backends.mps, "is_available", lambda: True)
        patch.setattr(torch.mps, "get_rng_state", lambda: torch.tensor([7], dtype=torch.uint8))
        patch.setattr(torch.mps, "set_rng_state", lambda state: restored.append(state.tolist()))
        (tmp_path / "state").write_bytes(RandomState.take().file_bytes(one_process=True))
        RandomState.of_file(tmp_path / "state").restore()
    assert restored == [[7]]


def test_a_state_of_before_there_were_others_is_read(tmp_path: Path) -> None:
    """As the Trainer writes it."""
    now = RandomState.take()
    torch.save({"python": now.python, "numpy": now.numpy, "cpu": now.cpu}, tmp_path / "state")
    assert RandomState.of_file(tmp_path / "state").xpu == []
