"""Deterministic on a card: what torch is held to, by its switches; no card is asked."""

from __future__ import annotations

import os

import pytest
import torch

from training_pro.training.model.deterministic import _switches, deterministic, not_deterministic

CARD, CPU = torch.device("cuda", 0), torch.device("cpu")


def state() -> dict[str, object]:
    names = ("CUBLAS_WORKSPACE_CONFIG", "FLASH_ATTENTION_DETERMINISTIC")
    return {**_switches(), **{name: os.environ.get(name) for name in names}}


def test_a_card_is_held_to_kernels_with_a_fixed_order_and_let_go() -> None:
    before = state()
    with pytest.raises(KeyError), deterministic(True, CARD):
        assert state() == {
            "algorithms": True,
            "warn_only": False,  # with a mere warning flash attention would still be in random order
            "cudnn": True,
            "benchmark": False,
            "efficient": False,
            "cudnn_attention": False,
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "FLASH_ATTENTION_DETERMINISTIC": "1",
        }
        raise KeyError
    assert state() == before


@pytest.mark.parametrize(("wanted", "device"), [(False, CARD), (True, CPU)])
def test_else_nothing_is_changed(wanted: bool, device: torch.device) -> None:
    before = state()
    with deterministic(wanted, device):
        assert state() == before


def test_a_person_is_told_which_operation_can_t() -> None:
    error = RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation, but you set ...")
    assert "cumsum_cuda_kernel" in not_deterministic(error)
    assert not_deterministic(RuntimeError("anything else")) == ""
