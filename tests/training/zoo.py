"""Random models of many families, a few thousand weights each."""

from __future__ import annotations

from typing import Any

import torch

_COMMON = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
_GROUPED = {"num_key_value_heads": 1}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _GROUPED),
    "llama tied": ("LlamaConfig", {**_GROUPED, "tie_word_embeddings": True}),
    "mistral": ("MistralConfig", _GROUPED),
    "qwen2": ("Qwen2Config", _GROUPED),
    "qwen3": ("Qwen3Config", {**_GROUPED, "head_dim": 8}),
    "gemma2": ("Gemma2Config", {**_GROUPED, "head_dim": 8, "final_logit_softcapping": 3.0}),
    "gemma3": ("Gemma3TextConfig", {**_GROUPED, "head_dim": 8}),
    "neox": ("GPTNeoXConfig", {}),
    "gpt2": ("GPT2Config", {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}),
    "phi3": ("Phi3Config", _GROUPED),
    "phi": ("PhiConfig", {}),
    "mixtral": ("MixtralConfig", {**_GROUPED, "num_local_experts": 2}),
    "qwen2moe": (
        "Qwen2MoeConfig",
        {
            **_GROUPED,
            "num_experts": 2,
            "num_experts_per_tok": 1,
            "moe_intermediate_size": 8,
            "shared_expert_intermediate_size": 8,
        },
    ),
    "falcon": ("FalconConfig", {}),
    "granite": ("GraniteConfig", {**_GROUPED, "logits_scaling": 4.0}),
    "cohere": ("CohereConfig", {**_GROUPED, "logit_scale": 0.25}),
    "opt": ("OPTConfig", {"ffn_dim": 32, "word_embed_proj_dim": 16}),
    "starcoder2": ("Starcoder2Config", _GROUPED),
}


def make(family: str, seed: int = 0, **changes: Any) -> Any:
    """A model of `family` in training mode, its weights large enough that its logits differ clearly."""
    import transformers

    name, own = FAMILIES[family]
    config = getattr(transformers, name)(**{**_COMMON, **own, **changes})
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(4.0)
    return model.train()
