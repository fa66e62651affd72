"""When AdamW is one fused kernel."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.training.tiny import small_settings
from training_pro.plan import make_plan
from training_pro.training.loop import optimizers
from training_pro.training.loop.arguments import training_arguments
from training_pro.training.loop.optimizers import Rates, fused_fits, make_optimizer


def parameter(device: str, **more: Any) -> Any:
    return SimpleNamespace(device=SimpleNamespace(type=device), **more)


def test_fused_on_cards_unless_a_scaler_or_sharding_stands_in_the_way() -> None:
    card, cpu = parameter("cuda"), parameter("cpu")
    assert fused_fits([card, card], fp16=False)
    assert not fused_fits([card, card], fp16=True)
    assert not fused_fits([card, cpu], fp16=False)
    assert not fused_fits([card, parameter("cuda", full_tensor=None)], fp16=False)


@pytest.mark.parametrize(
    ("name", "fits", "fused"), [("adamw_torch", True, True), ("adamw_torch", False, None), ("sgd", True, None)]
)
def test_a_run_s_adamw_is_fused_where_it_fits(
    name: str, fits: bool, fused: bool | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(optimizers, "fused_fits", lambda learning, fp16: fits)
    settings = small_settings(optimizer=name)
    arguments = training_arguments(settings, make_plan(1, 1, 1, 1.0), tmp_path, torch.device("cpu"), torch.float32)
    model: Any = torch.nn.Linear(4, 4)
    assert (make_optimizer(model, arguments, Rates()).defaults["fused"] or None) is fused
