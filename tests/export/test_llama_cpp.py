"""llama.cpp itself, over a GGUF of the base and our GGUF LoRA, changes its mind as transformers with PEFT does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.export.base_gguf import write_base
from tests.export.llama_cpp import ask, change_correlation
from tests.export.tiny_models import ATTENTION, save_lora, save_model
from tests.fakes import TINY_VOCABULARY
from training_pro.export import gguf_families
from training_pro.export.gguf_families import Family
from training_pro.export.gguf_lora import export_gguf
from training_pro.export.lora_source import Lora, open_lora
from training_pro.folders import Folders

FAMILIES = {
    "llama": {},
    "mistral": {"use_rslora": True, "r": 8},
    "qwen2": {"alpha_pattern": {"v_proj": 3}, "rank_pattern": {"layers.0.self_attn.q_proj": 2}},
    "qwen3": {},
    "mixtral": {"target_modules": ATTENTION},
    "qwen3_moe": {"target_modules": ATTENTION},
    "gemma": {},
    "gemma2": {},
    "gemma3_text": {},
}


def made(kind: str, tmp_path: Path) -> Lora:
    base = save_model(tmp_path / "base", kind, tie_word_embeddings=kind.startswith("gemma"))
    folders = Folders.under(tmp_path / "user_data")
    folders.make()
    return open_lora(save_lora(base, folders.loras / "tales", **FAMILIES[kind]), folders)


def some_prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(3, TINY_VOCABULARY, (12,), generator=generator).tolist() for _ in range(6)]


def next_words(model: PreTrainedModel, prompts: list[list[int]]) -> np.ndarray[Any, Any]:
    """Log-probabilities of the token after each prompt, shape (prompts, vocabulary)."""
    with torch.no_grad():
        rows = [model.eval()(input_ids=torch.tensor([prompt])).logits[0, -1].log_softmax(-1) for prompt in prompts]
    return torch.stack(rows).double().numpy()


def change_by_peft(lora: Lora, prompts: list[list[int]]) -> np.ndarray[Any, Any]:
    model = AutoModelForCausalLM.from_pretrained(lora.base, dtype=torch.float32)
    before = next_words(model, prompts)
    return next_words(PeftModel.from_pretrained(model, str(lora.folder)), prompts) - before


@pytest.mark.parametrize("kind", FAMILIES)
def test_llama_cpp_hears_the_lora_as_peft_does(kind: str, tmp_path: Path) -> None:
    lora = made(kind, tmp_path)
    base = write_base(lora.base, tmp_path / "base.gguf", np.float32)
    file = export_gguf(lora, tmp_path / "lora.gguf").file
    wanted = change_by_peft(lora, some_prompts())
    heard = ask(base, file, some_prompts(), TINY_VOCABULARY)
    assert np.abs(wanted).mean() > 0.1
    assert change_correlation(wanted, heard) > 0.9999
    assert np.abs(heard.with_lora - heard.without - wanted).max() < 0.05


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_wrong_order_of_rows_would_be_noticed_here(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = made(kind, tmp_path)
    right = gguf_families._FAMILIES[kind]
    monkeypatch.setitem(gguf_families._FAMILIES, kind, Family(right.arch, not right.turned))
    base = write_base(lora.base, tmp_path / "base.gguf", np.float32)
    heard = ask(base, export_gguf(lora, tmp_path / "lora.gguf").file, some_prompts(), TINY_VOCABULARY)
    assert change_correlation(change_by_peft(lora, some_prompts()), heard) < 0.99
