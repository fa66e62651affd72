"""When AdamW is one fused kernel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from training_pro.training.loop.optimizers import fused_fits


def parameter(device: str, **more: Any) -> Any:
    return SimpleNamespace(device=SimpleNamespace(type=device), **more)


def test_fused_on_cards_unless_a_scaler_or_sharding_stands_in_the_way() -> None:
    card, cpu = parameter("cuda"), parameter("cpu")
    assert fused_fits([card, card], fp16=False)
    assert not fused_fits([card, card], fp16=True)
    assert not fused_fits([card, cpu], fp16=False)
    assert not fused_fits([card, parameter("cuda", full_tensor=None)], fp16=False)
