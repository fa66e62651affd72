"""How another process loads the same model the same way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel, ModelSource, Quantizing
from training_pro.hosts.loaded import source_of
from training_pro.hosts.standalone import StandaloneHost


def loaded(quantization: Any, config: Any, dtype: torch.dtype = torch.float16) -> LoadedModel:
    embedding = SimpleNamespace(weight=torch.zeros(1, dtype=dtype))
    model: Any = SimpleNamespace(
        config=SimpleNamespace(quantization_config=config), get_input_embeddings=lambda: embedding
    )
    return LoadedModel(model, None, "m", Path("/models/m"), quantization, None)


@pytest.mark.parametrize(
    ("quantization", "config", "options"),
    [
        ("none", None, ["--quantization", "none", "--dtype", "float16"]),
        ("8-bit", {"load_in_8bit": True}, ["--quantization", "8-bit", "--dtype", "float16"]),
        (
            "4-bit",
            {"bnb_4bit_compute_dtype": "float16", "bnb_4bit_quant_type": "nf4"},
            ["--quantization", "4-bit", "--dtype", "float16"],
        ),
        (
            "4-bit",
            SimpleNamespace(
                bnb_4bit_compute_dtype=torch.bfloat16, bnb_4bit_quant_type="fp4", bnb_4bit_use_double_quant=True
            ),
            ["--quantization", "4-bit", "--dtype", "float16", "--compute-dtype", "bfloat16"]
            + ["--quant-type", "fp4", "--double-quant"],
        ),
    ],
)
def test_the_options_say_how_the_model_is_loaded(quantization: str, config: Any, options: list[str]) -> None:
    source = source_of(loaded(quantization, config))
    assert source.options() == ["--model", "/models/m", *options]
    assert source.on_cpu


def test_the_hosts_source_loads_nothing_and_then_is_the_loaded_models(folders: Folders, tiny_folder: Path) -> None:
    host = StandaloneHost(folders, tiny_folder, quantizing=Quantizing("none"), dtype="bfloat16")
    assert host.source() == ModelSource(tiny_folder, Quantizing("none"), "bfloat16", False, tiny_folder.name)
    model = host.loaded_model().model
    found = host.source()
    assert found is not None and (found.dtype, found.quantizing.kind) == ("bfloat16", "none")
    assert next(model.parameters()).dtype == torch.bfloat16
