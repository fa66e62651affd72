from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import torch

from tests.card.precision import faked_card as card
from training_pro.errors import ModelError
from training_pro.training.model.precision import DeviceFacts, compute_dtype, mixed_precision, run_dtype

HALVES = (torch.float16, torch.bfloat16)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(
    ("capability", "wanted"),
    [((6, 1), "fp16"), ((7, 0), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((8, 6), "bf16"), ((8, 9), "bf16")]
    + [((9, 0), "bf16"), ((12, 0), "bf16")],
)
def test_a_card_trains_in_what_its_hardware_computes(
    capability: tuple[int, int], wanted: str, dtype: torch.dtype
) -> None:
    with card(capability) as device:
        facts = DeviceFacts.of(device)
    assert mixed_precision(facts, dtype) == wanted
    assert run_dtype(facts, dtype) == compute_dtype(facts, dtype) == getattr(torch, f"{_long(wanted)}")


def _long(name: str) -> str:
    return {"fp16": "float16", "bf16": "bfloat16"}[name]


@pytest.mark.parametrize(
    ("chip", "wanted"),
    [("gfx906:sramecc+", "fp16"), ("gfx1030", "fp16"), ("gfx90a:sramecc+:xnack-", "bf16"), ("gfx1100", "bf16")]
    + [("gfx1151", "bf16"), ("gfx1201", "bf16"), ("gfx942", "bf16")],
)
def test_amd_cards_are_known_by_their_chip(chip: str, wanted: str) -> None:
    with card((10, 3), amd=chip) as device:
        assert mixed_precision(DeviceFacts.of(device), torch.float16) == wanted


@pytest.mark.parametrize("native", [True, False])
def test_a_float32_model_stays_float32(native: bool) -> None:
    facts = DeviceFacts("cuda", native)
    assert mixed_precision(facts, torch.float32) == "no"
    assert run_dtype(facts, torch.float32) == torch.float32
    assert compute_dtype(facts, torch.float32) == (torch.bfloat16 if native else torch.float32)


@pytest.mark.parametrize(("device", "dtype"), [("cpu", torch.float16), ("cpu", torch.bfloat16), ("mps", torch.float16)])
def test_without_a_scaler_nothing_is_computed_in_float16(device: str, dtype: torch.dtype) -> None:
    facts = DeviceFacts(device, True)
    assert mixed_precision(facts, dtype) == "no"
    assert run_dtype(facts, dtype) == compute_dtype(facts, dtype) == torch.bfloat16


def test_an_old_mac_is_refused_with_a_way_out() -> None:
    with pytest.raises(ModelError) as refused:
        run_dtype(DeviceFacts("mps", False), torch.float16)
    assert refused.value.options == ("--dtype float32",)
    assert run_dtype(DeviceFacts("mps", False), torch.float32) == torch.float32


@pytest.mark.parametrize(("has", "wanted"), [(True, "bf16"), (False, "fp16")])
def test_intels_cards_are_asked_without_imitation(has: bool, wanted: str) -> None:
    asked: list[Any] = []

    def supported(including_emulation: bool = True) -> bool:
        asked.append(including_emulation)
        return has or including_emulation

    with mock.patch("torch.xpu.is_bf16_supported", supported):
        assert mixed_precision(DeviceFacts.of(torch.device("xpu")), torch.bfloat16) == wanted
    assert asked == [False]


@pytest.mark.parametrize(("version", "wanted"), [((14, 0), True), ((15, 0), False)])
def test_macs_compute_in_bfloat16_from_macos_14_on(version: tuple[int, int], wanted: bool) -> None:
    with mock.patch("torch.backends.mps.is_macos_or_newer", lambda *wished: wished <= (14, 0) and wanted):
        assert DeviceFacts.of(torch.device("mps")).native_bf16 is wanted
