"""Random models of 2 layers, one per family, quick to make; and LoRAs on them that change what they say."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PretrainedConfig,
    PreTrainedModel,
)

from tests.fakes import TINY_CONTEXT_TOKENS, TINY_VOCABULARY, save_tiny_tokenizer

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
ALL = [*ATTENTION, "gate_proj", "up_proj", "down_proj"]
_FOUR: dict[str, Any] = {"num_hidden_layers": 4}
_EXPERTS: dict[str, Any] = {
    "moe_intermediate_size": 48,
    "shared_expert_intermediate_size": 64,
    "moe_shared_expert_intermediate_size": 64,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_k": 2,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "norm_topk_prob": True,
}
_LINEAR: dict[str, Any] = {
    **_EXPERTS,
    **_FOUR,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
_MAMBA: dict[str, Any] = {
    "mamba_d_state": 16,
    "mamba_d_ssm": 128,
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "mamba_expand": 2,
    "mamba_chunk_size": 16,
    "mamba_dt_rank": 8,
    "state_size": 16,
    "num_heads": 8,
    "head_dim": 16,
    "n_groups": 1,
    "chunk_size": 16,
}
_SLIDING: dict[str, Any] = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 32}
_LAYERS: dict[str, Any] = {"layer_types": ["sliding_attention", "full_attention"]}
_YARN: dict[str, Any] = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 2.0,
    "original_max_position_embeddings": 128,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}
_MROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
_EYES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "depth": 2,
    "num_heads": 2,
    "embed_dim": 32,
    "out_hidden_size": 64,
    "image_size": 56,
    "patch_size": 14,
    "deepstack_visual_indexes": [0],
    "fullatt_block_indexes": [1],
    "vision_output_dim": 64,
    "projector_input_dim": 32,
    "projector_output_dim": 32,
}
# What each family needs beside the common sizes. Values that its config doesn't know are left out.
_MORE: dict[str, dict[str, Any]] = {
    "gemma": {"head_dim": 32, "hidden_act": "gelu_pytorch_tanh"},
    "gemma2": _SLIDING,
    "gemma3_text": _SLIDING,
    "gemma4_text": {
        **_SLIDING,
        **_LAYERS,
        "num_experts": None,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": TINY_VOCABULARY,
        "final_logit_softcapping": 30.0,
    },
    "qwen2_moe": {**_EXPERTS, "norm_topk_prob": False},
    "qwen3": {"head_dim": 32},
    "qwen3_moe": {**_EXPERTS, "head_dim": 32},
    "qwen3_next": {**_LINEAR, "head_dim": 32},
    "qwen3_5_text": {**_LINEAR, "head_dim": 32},
    "qwen3_5_moe_text": {**_LINEAR, "head_dim": 32},
    "mixtral": _EXPERTS,
    "minicpm3": {
        "num_key_value_heads": 4,
        "q_lora_rank": 24,
        "kv_lora_rank": 32,
        "qk_rope_head_dim": 16,
        "qk_nope_head_dim": 16,
        "v_head_dim": 16,
    },
    "gpt_oss": {**_EXPERTS, "sliding_window": 32, "head_dim": 32},
    "granite": {"logits_scaling": 4.0, "residual_multiplier": 0.5, "attention_multiplier": 0.2},
    "granitemoe": {**_EXPERTS, "logits_scaling": 4.0},
    "granitemoehybrid": {
        **_EXPERTS,
        **_MAMBA,
        "shared_intermediate_size": 64,
        "logits_scaling": 4.0,
        "layer_types": ["mamba", "attention"],
    },
    "olmoe": {**_EXPERTS, "num_key_value_heads": 4, "norm_topk_prob": False},
    "ernie4_5_moe": {**_EXPERTS, "moe_num_shared_experts": 1, "moe_intermediate_size": 64},
    "glm4_moe": _EXPERTS,
    "minimax_m2": {**_EXPERTS, "head_dim": 16, "rotary_dim": 16},
    "cohere": {"logit_scale": 1.0},
    "cohere2": {"sliding_window": 32, **_FOUR, "logit_scale": 1.0},
    "phi": {"num_key_value_heads": 4, "intermediate_size": 256},
    "glm": {"head_dim": 16},
    "phi3": {"sliding_window": None, "original_max_position_embeddings": TINY_CONTEXT_TOKENS},
    "smollm3": {**_FOUR, "no_rope_layers": [1, 1, 1, 0]},
    "exaone4": {"sliding_window": None, "layer_types": ["full_attention"] * 2},
    "olmo3": {"sliding_window": 32, **_FOUR},
    "ministral3": {"rope_parameters": _YARN},
    "gpt2": {"n_inner": None},
    "gpt_bigcode": {"n_inner": None},
    "falcon": {"new_decoder_architecture": False, "multi_query": True},
    "falcon_new": {"new_decoder_architecture": True, "num_kv_heads": 2},
    "falcon_h1": {
        **_MAMBA,
        "lm_head_multiplier": 0.5,
        "embedding_multiplier": 2.0,
        "key_multiplier": 0.7,
        "attention_in_multiplier": 1.5,
        "attention_out_multiplier": 0.8,
        "mlp_multipliers": [0.6, 1.7],
        "ssm_multipliers": [1.0, 1.0, 1.0, 1.0, 1.0],
    },
    "hunyuan_v1_dense": {"head_dim": 16, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    "lfm2": {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
    "lfm2_moe": {**_EXPERTS, "layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "jamba": {**_EXPERTS, **_MAMBA, **_FOUR, "attn_layer_period": 2, "attn_layer_offset": 1},
    "mamba": {**_MAMBA, "expand": 2},
    "mamba2": {**_MAMBA, "expand": 2},
}
# Names for a family's second form, and multimodal wrappers with the family of their text part.
_FORMS = {"falcon_new": "falcon"}
WRAPPED = {
    "gemma3": "gemma3_text",
    "gemma4": "gemma4_text",
    "mistral3": "ministral3",
    "llava": "llama",
    "qwen2_vl": "qwen2_vl_text",
    "qwen2_5_vl": "qwen2_5_vl_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
}


def known_family(kind: str) -> bool:
    """Whether the installed transformers has the family."""
    return _FORMS.get(kind, kind) in CONFIG_MAPPING


def save_model(folder: Path, kind: str = "llama", dtype: torch.dtype = torch.float32, **more: Any) -> Path:
    """A random model of the family `kind` with a tokenizer, saved to `folder`.

    Weights are far larger than usual, so that attention depends on positions as in a trained model.
    """
    torch.manual_seed(0)
    config = _wrapper_config(kind, more) if kind in WRAPPED else _text_config(kind, more)
    model = auto_class(config).from_config(config).to(dtype)
    _enlarge(model)
    model.save_pretrained(folder)
    save_tiny_tokenizer(folder)
    _fill_vocabulary(folder / "tokenizer.json")
    return folder


def _fill_vocabulary(path: Path) -> None:
    """As many tokens as the embeddings have rows: llama.cpp's converter drops rows without a token."""
    tokenizer = json.loads(path.read_text())
    words = tokenizer["model"]["vocab"]
    words |= {f"<unused{number}>": number for number in range(len(words), TINY_VOCABULARY)}
    path.write_text(json.dumps(tokenizer))


def auto_class(config: PretrainedConfig) -> Any:
    """transformers' class for the whole model, with its towers where it has some."""
    known = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    return AutoModelForImageTextToText if known else AutoModelForCausalLM


def _text_config(kind: str, more: dict[str, Any]) -> PretrainedConfig:
    config_class = CONFIG_MAPPING[_FORMS.get(kind, kind)]
    values = {
        "vocab_size": TINY_VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": TINY_CONTEXT_TOKENS,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
        **_MORE.get(kind, {}),
    }
    known = _fields(config_class)
    return config_class(**{name: value for name, value in values.items() if name in known} | more)


def _wrapper_config(kind: str, more: dict[str, Any]) -> PretrainedConfig:
    config_class = CONFIG_MAPPING[kind]
    plain = config_class()
    if WRAPPED[kind].endswith("vl_text"):
        text_class = type(plain.text_config)
        text = {
            name: value for name, value in _text_config("qwen2", {}).to_dict().items() if name in _fields(text_class)
        }
        text |= {"rope_parameters": dict(_MROPE)} | ({"head_dim": 16} if kind == "qwen3_vl" else {})
    else:
        text = _text_config(WRAPPED[kind], {}).to_dict()
    eyes = plain.vision_config or config_class.sub_configs["vision_config"]()
    vision = {name: value for name, value in _EYES.items() if name in _fields(type(eyes))}
    values: dict[str, Any] = {"text_config": text | more, "vision_config": vision | {"model_type": eyes.model_type}}
    values |= {name: 5 for name in _fields(config_class) if name.endswith(("token_id", "token_index"))}
    values |= {"audio_config": None} if kind == "gemma4" else {}
    values |= {"mm_tokens_per_image": 4} if kind == "gemma3" else {}
    return config_class(**values)


def _fields(config_class: Any) -> set[str]:
    names = set(inspect.signature(config_class.__init__).parameters) | set(getattr(config_class, "attribute_map", {}))
    return names | set(getattr(config_class, "__dataclass_fields__", {}))


def _enlarge(model: PreTrainedModel) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "conv" in name or values.ndim < 2:
                continue
            width = values.shape[-1] if values.ndim == 2 else values.shape[1]
            values.copy_(torch.randn(values.shape, generator=generator) * 1.5 / max(width, 16) ** 0.5)
    model.tie_weights()


def load_model(folder: Path) -> PreTrainedModel:
    """The whole model in `folder` in float32, with its towers where it has some."""
    config = AutoConfig.from_pretrained(folder)
    return auto_class(config).from_pretrained(folder, dtype=torch.float32)


def save_lora(model_folder: Path, folder: Path, seed: int = 1, **config: Any) -> Path:
    """A LoRA over the model in `model_folder` with random weights; what it trains as a whole is changed too."""
    torch.manual_seed(seed)
    values = {"r": 4, "lora_alpha": 8, "target_modules": ALL, "task_type": "CAUSAL_LM", **config}
    model = get_peft_model(load_model(model_folder), LoraConfig(init_lora_weights=False, **values))
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
