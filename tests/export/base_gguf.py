"""A base model as GGUF F16 or F32, just enough of it for llama.cpp to compute with: a test's stand-in for a converter.

The tokenizer is made up (prompts are given as ids), so only the numbers mean anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, PretrainedConfig

_ARCHS = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "mixtral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "qwen3_moe": gguf.MODEL_ARCH.QWEN3MOE,
    "gemma": gguf.MODEL_ARCH.GEMMA,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
}


def write_base(folder: Path, path: Path, kind: type[np.floating[Any]] = np.float16) -> Path:
    """Write the model in `folder` to `path`; vectors stay float32, as llama.cpp wants them."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = model.config
    arch = _ARCHS[config.model_type]
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    _add_sizes(writer, config)
    _add_made_up_tokenizer(writer, config.vocab_size)
    weights = model.state_dict()
    if config.tie_word_embeddings:
        del weights["lm_head.weight"]
    for name, tensor in _experts_apart(weights):
        stem, ending = name.rsplit(".", 1)
        values = _as_llama_cpp_has_it(config, stem, tensor).numpy()
        writer.add_tensor(f"{names.get_name(stem)}.{ending}", values.astype(kind if values.ndim > 1 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _experts_apart(weights: dict[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in weights.items():
        stem, part = name.rsplit(".", 1)
        if part == "gate_up_proj":
            gate, up = tensor.chunk(2, dim=1)
            yield from ((f"{stem}.gate_proj.weight", gate), (f"{stem}.up_proj.weight", up))
        else:
            yield (f"{name}.weight" if part == "down_proj" else name), tensor


def _as_llama_cpp_has_it(config: PretrainedConfig, stem: str, tensor: torch.Tensor) -> torch.Tensor:
    """Rotary pairs side by side for the llama kind; gemma's norms with their one added."""
    part = stem.rsplit(".", 1)[-1]
    if config.model_type in ("llama", "mistral", "mixtral") and part in ("q_proj", "k_proj"):
        heads = config.num_attention_heads if part == "q_proj" else config.num_key_value_heads
        half = tensor.shape[0] // heads // 2
        order = [head * 2 * half + side * half + i for head in range(heads) for i in range(half) for side in (0, 1)]
        return tensor[order]
    return tensor + 1 if config.model_type.startswith("gemma") and "norm" in part else tensor


def _add_sizes(writer: gguf.GGUFWriter, config: PretrainedConfig) -> None:
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    theta = getattr(config, "rope_parameters", None) or {}
    theta = theta.get("full_attention", theta)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(theta.get("rope_theta", 10000.0))
    writer.add_vocab_size(config.vocab_size)
    if config.model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if config.model_type in ("gemma2", "gemma3_text"):
        writer.add_sliding_window(config.sliding_window)
    if config.model_type in ("mixtral", "qwen3_moe"):
        writer.add_expert_count(config.num_local_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if config.model_type == "qwen3_moe":
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)


def _add_made_up_tokenizer(writer: gguf.GGUFWriter, vocabulary: int) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([f"t{number}" for number in range(vocabulary)])
    writer.add_token_types([gguf.TokenType.NORMAL] * vocabulary)
    writer.add_token_merges(["t 1"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
