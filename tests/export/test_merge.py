"""A merged model says what base and LoRA say together, whatever the LoRA is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.export.tiny_models import logits, save_lora, save_model
from training_pro.export.lora_source import Lora, open_lora
from training_pro.export.merge import merge_lora
from training_pro.folders import Folders

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rslora": {"use_rslora": True, "r": 8},
    "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"layers.1.self_attn.q_proj": 3}},
    "head lora": {"target_modules": ["q_proj", "lm_head"]},
    "embedding lora": {"target_modules": ["q_proj", "embed_tokens"]},
    "trained head": {"modules_to_save": ["lm_head"]},
    "trained embeddings and head": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "tied by peft": {"modules_to_save": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
}


def lora_over(base: Path, tmp_path: Path, **config: Any) -> Lora:
    folders = Folders.under(tmp_path / "user_data")
    folders.make()
    return open_lora(save_lora(base, folders.loras / "tales", **config), folders)


def together(lora: Lora) -> torch.Tensor:
    base = AutoModelForCausalLM.from_pretrained(lora.base, dtype=torch.float32)
    return logits(PeftModel.from_pretrained(base, str(lora.folder)))


def loaded(folder: Path) -> torch.Tensor:
    return logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_in_float32_the_merged_model_equals_base_and_lora(kind: str, tied: bool, tmp_path: Path) -> None:
    base = save_model(tmp_path / "base", tie_word_embeddings=tied)
    lora = lora_over(base, tmp_path, **KINDS[kind])
    wanted = together(lora)
    merged = merge_lora(lora, tmp_path / "merged", dtype="float32")
    assert float((loaded(merged.folder) - wanted).abs().max()) < 1e-3
    assert float((loaded(base) - wanted).abs().max()) > 0.1
