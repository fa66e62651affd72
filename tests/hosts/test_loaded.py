from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training_pro.errors import ModelError
from training_pro.hosts.loaded import context_tokens_of, lora_folder, quantization_of


def model_with(**facts: Any) -> Any:
    config = SimpleNamespace(quantization_config=facts.pop("quantization_config", None))
    return SimpleNamespace(config=config, **facts)


def test_quantization_is_read_off_the_model() -> None:
    assert quantization_of(model_with(is_loaded_in_4bit=True), "m") == "4-bit"
    assert quantization_of(model_with(is_loaded_in_8bit=True), "m") == "8-bit"
    assert quantization_of(model_with(), "m") == "none"


@pytest.mark.parametrize("config", [{"quant_method": "gptq"}, SimpleNamespace(quant_method="gptq")])
def test_other_quantizations_are_refused_by_name(config: Any) -> None:
    with pytest.raises(ModelError, match=r"m is quantized with gptq.*load-in-4bit"):
        quantization_of(model_with(quantization_config=config), "m")


def test_the_context_is_the_text_parts_own() -> None:
    assert context_tokens_of(SimpleNamespace(max_position_embeddings=2048)) == 2048
    assert context_tokens_of(SimpleNamespace(n_positions=1024)) == 1024
    text = SimpleNamespace(max_position_embeddings=8192)
    assert context_tokens_of(SimpleNamespace(text_config=text, max_position_embeddings=77)) == 8192
    assert context_tokens_of(SimpleNamespace(max_position_embeddings=None)) is None


def test_a_lora_is_a_folder_with_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "adapter_config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    assert lora_folder(tmp_path, "good") == tmp_path / "good"
    with pytest.raises(ModelError, match=r"no adapter_config\.json"):
        lora_folder(tmp_path, "empty")


@pytest.mark.parametrize("name", ["", ".", "..", "../good", "good/..", "a/b", "/etc"])
def test_no_name_leads_out_of_the_loras(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="not the name of a LoRA"):
        lora_folder(tmp_path, name)
