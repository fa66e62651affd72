"""Random models of 2 layers, one per family, quick to make; and LoRAs on them that change what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from tests.fakes import TINY_CONTEXT_TOKENS, TINY_VOCABULARY, save_tiny_tokenizer

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
ALL = [*ATTENTION, "gate_proj", "up_proj", "down_proj"]
_MORE: dict[str, dict[str, Any]] = {
    "gemma": {"head_dim": 32, "hidden_act": "gelu_pytorch_tanh"},
    "gemma2": {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 32},
    "gemma3_text": {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 32},
    "qwen3": {"head_dim": 32},
    "qwen3_moe": {
        "head_dim": 32,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 64,
        "norm_topk_prob": True,
    },
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
}


def save_model(folder: Path, kind: str = "llama", dtype: torch.dtype = torch.float32, **more: Any) -> Path:
    """A random model of the family `kind` with a tokenizer, saved to `folder`.

    Weights are ten times as large as usual, so that attention depends on positions as in a trained model.
    """
    torch.manual_seed(0)
    values: dict[str, Any] = {
        "vocab_size": TINY_VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": TINY_CONTEXT_TOKENS,
        "initializer_range": 0.2,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
        **_MORE.get(kind, {}),
        **more,
    }
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **values)).to(dtype)
    model.save_pretrained(folder)
    save_tiny_tokenizer(folder)
    return folder


def save_lora(model_folder: Path, folder: Path, **config: Any) -> Path:
    """A LoRA over the model in `model_folder` with random weights; what it trains as a whole is changed too."""
    torch.manual_seed(1)
    values = {"r": 4, "lora_alpha": 8, "target_modules": ALL, "task_type": "CAUSAL_LM", **config}
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(init_lora_weights=False, **values))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name or "lora_embedding_B" in name:
                parameter.normal_(std=0.05)
            elif "modules_to_save" in name or "magnitude" in name:
                parameter.mul_(1 + 0.1 * torch.rand_like(parameter))
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def logits(model: PreTrainedModel) -> torch.Tensor:
    """Shape (2, 24, vocabulary), of two fixed rows of tokens."""
    ids = torch.randint(3, TINY_VOCABULARY, (2, 24), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits.float()
