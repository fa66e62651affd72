"""What accelerate's configuration may ask for, by what it puts into the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training_pro.errors import RunError
from training_pro.hosts.model_folder import load_model_folder
from training_pro.training.several import sharding
from training_pro.training.several.sharding import check_spread, quant_storage, sharding_note, spread

TWO = {"WORLD_SIZE": "2"}
FSDP2 = {**TWO, "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
DEEPSPEED = {**TWO, "ACCELERATE_USE_DEEPSPEED": "true"}


def test_how_the_model_is_spread() -> None:
    assert spread({}) == "copies"
    assert spread(FSDP2) == "fsdp2"
    assert spread({**FSDP2, "WORLD_SIZE": "1"}) == "copies"
    assert spread(DEEPSPEED) == "deepspeed"
    check_spread(False, {})
    check_spread(True, FSDP2)


@pytest.mark.parametrize(
    ("environ", "has_gpu", "said"),
    [
        ({**TWO, "ACCELERATE_USE_FSDP": "true"}, True, "asks for FSDP 1"),
        ({**FSDP2, "FSDP_CPU_RAM_EFFICIENT_LOADING": "True"}, True, "fsdp_cpu_ram_efficient_loading"),
        (FSDP2, False, "FSDP needs GPUs"),
        (DEEPSPEED, True, "pip install deepspeed"),
    ],
)
def test_what_can_not_be_done_is_refused(
    environ: dict[str, str], has_gpu: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharding, "installed", lambda _: False)
    with pytest.raises(RunError, match=said):
        check_spread(has_gpu, environ)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_4_bit_weights_are_stored_as_they_are_computed(
    dtype: str, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FSDP2.items():
        monkeypatch.setenv(name, value)
    model = load_model_folder(tiny_folder, dtype=dtype).model
    stored = {p.dtype for p in model.parameters() if type(p).__name__ == "Params4bit"}
    assert stored == {getattr(torch, dtype)} == {quant_storage(getattr(torch, dtype))}
    assert sharding_note(model) == ""


def test_a_base_that_can_not_be_sharded_is_told(tiny_folder: Path) -> None:
    model = load_model_folder(tiny_folder, dtype="float32").model
    assert sharding_note(model, {}) == ""
    assert "stored as uint8, which FSDP can't shard" in sharding_note(model, FSDP2)
