"""The families of models that the checks build: tiny, with random weights, as transformers' own classes.

Hidden size 64, vocabulary 512, two to six layers. `KNOWN` names models that people load of each family.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

WORDS = 512
COMMON: dict[str, Any] = {
    **{"vocab_size": WORDS, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256},
    **{"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "initializer_range": 0.02},
    **dict.fromkeys(["moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size"], 32),
    **dict.fromkeys(["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"], 4),
    **dict.fromkeys(["num_experts_per_tok", "moe_k", "moe_topk", "num_experts_per_token"], 2),
    **dict.fromkeys(["n_shared_experts", "n_group", "topk_group", "first_k_dense_replace", "num_dense_layers"], 1),
    **{"moe_shared_expert_intermediate_size": 32, "n_groups": 1, "sliding_window": 16},
    **{"q_lora_rank": 24, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16},
    **dict.fromkeys(["linear_key_head_dim", "linear_value_head_dim", "linear_head_dim"], 16),
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_num_heads": 4},
    **dict.fromkeys(["mamba_d_state", "mamba_d_head", "mamba_chunk_size", "chunk_size", "mamba_head_dim"], 16),
    **{"mamba_n_heads": 8, "mamba_d_ssm": 128, "mamba_dt_rank": 8, "mamba_num_heads": 8, "state_size": 16},
    **{"ssm_state_size": 16, "conv_L_cache": 3, "block_size": 16, "attention_chunk_size": 16},
    **{"intermediate_size_mlp": 96, "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": WORDS},
    **{"laurel_rank": 8, "num_kv_shared_layers": 0, "ffn_dim": 96, "word_embed_proj_dim": 64, "n_inner": 96},
    **{"original_max_position_embeddings": 256, "rotary_dim": 8, "query_pre_attn_scalar": 16},
    **{"global_head_dim": 16, "num_global_key_value_heads": 1},
    **dict.fromkeys(
        [
            *("attention_dropout", "hidden_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop", "embedding_dropout"),
            *("residual_dropout", "dropout", "activation_dropout", "layerdrop", "router_jitter_noise"),
            *("input_jitter_noise", "hidden_dropout_prob", "attention_dropout_prob"),
            *("attention_probs_dropout_prob", "summary_first_dropout"),
        ],
        0.0,
    ),
}
VISION: dict[str, Any] = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "depth": 2},
    **{"num_heads": 2, "embed_dim": 32, "out_hidden_size": 64, "image_size": 56, "patch_size": 14, "head_dim": 16},
    **{"num_key_value_heads": 2, "deepstack_visual_indexes": [0], "vision_output_dim": 64, "num_channels": 3},
    **{"projector_input_dim": 32, "projector_output_dim": 32, "mlp_dim": 48, "fullatt_block_indexes": [1]},
}


@dataclass(frozen=True)
class Family:
    """`kind` is transformers' model_type; `text` the family of a wrapper's text part; `known` what people load."""

    kind: str
    own: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    wrapper: bool = False
    known: str = ""


FOUR = {"num_hidden_layers": 4}
HYBRID = {"layer_types": ["linear_attention", "full_attention"]}
GEMMA_LAYERS = ["sliding_attention", "full_attention"]
PHI4_VISION = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"image_size": 56, "crop_size": 56},
}
PHI4_AUDIO = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_blocks": 1, "num_attention_heads": 2, "input_size": 20},
    **{"ext_pw_out_channel": 32, "nemo_conv_channels": 32, "depthwise_separable_out_channel": 32, "max_distance": 8},
}


def _named(*kinds: str, **known: str) -> dict[str, Family]:
    return {kind: Family(kind, known=known.get(kind, "")) for kind in kinds}


FAMILIES: dict[str, Family] = {
    **_named(
        *("llama", "mistral", "ministral3", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma", "gemma2"),
        *("gemma3_text", "phi", "phi3", "phimoe", "gpt_neox", "gpt2", "gptj", "gpt_bigcode", "falcon", "bloom", "opt"),
        *("starcoder2", "stablelm", "cohere", "cohere2", "olmo", "olmo2", "olmo3", "olmoe", "glm", "glm4", "glm4_moe"),
        *("gpt_oss", "llama4_text", "smollm3", "hunyuan_v1_dense", "hy_v3", "ernie4_5"),
        *("ernie4_5_moe", "seed_oss", "falcon_mamba", "nemotron", "minimax", "minimax_m2", "arcee", "apertus"),
        *("helium", "jais2", "nanochat", "persimmon", "rwkv", "jetmoe", "diffllama", "doge", "bitnet", "cwm"),
        *("vaultgemma", "modernbert-decoder", "internlm3", "codegen", "xglm", "biogpt", "mellum"),
        *("inkling_text", "granite_swa", "hrm_text", "ministral", "gemma4_unified_text", "iquestcoder"),
        llama="Llama 2 and 3, Vicuna, Yi, TinyLlama, SmolLM 1 and 2",
        mistral="Mistral 7B, Mistral Nemo",
        ministral3="Ministral 3 (text)",
        mixtral="Mixtral 8x7B and 8x22B",
        qwen2="Qwen 2 and 2.5",
        qwen3="Qwen 3, 0.6B to 32B",
        qwen3_moe="Qwen 3 30B-A3B, 235B-A22B",
        gemma3_text="Gemma 3 270M and 1B",
        phi3="Phi 3 and 4",
        gpt_neox="Pythia, GPT-NeoX",
        gpt_oss="gpt-oss 20B and 120B",
        glm4_moe="GLM 4.5 and 4.6",
        seed_oss="Seed-OSS 36B",
        apertus="Apertus 8B and 70B",
        smollm3="SmolLM 3",
        minimax_m2="MiniMax M2",
        starcoder2="StarCoder 2",
        cohere="Command R, Aya 23",
        cohere2="Command R7B, Command A",
        olmo2="OLMo 2",
        olmo3="OLMo 3",
        ernie4_5="ERNIE 4.5 0.3B",
        hunyuan_v1_dense="Hunyuan 0.5B to 7B",
        opt="OPT",
        bloom="BLOOM",
    ),
    "llama_tied": Family("llama", {"tie_word_embeddings": True}, known="Llama 3.2 1B and 3B"),
    "mixtral_aux": Family("mixtral", {"output_router_logits": True, "router_aux_loss_coef": 0.02}),
    "qwen3_moe_aux": Family("qwen3_moe", {"output_router_logits": True}),
    "qwen3_next": Family("qwen3_next", FOUR, known="Qwen 3 Next 80B-A3B"),
    "qwen3_5_text": Family("qwen3_5_text", FOUR, known="Qwen 3.5 (text)"),
    "qwen3_5_moe_text": Family("qwen3_5_moe_text", FOUR, known="Qwen 3.5 mixtures (text)"),
    "gemma3n_text": Family(
        "gemma3n_text",
        {
            **{"num_hidden_layers": 5, "num_kv_shared_layers": 2, "intermediate_size": [96] * 5},
            "layer_types": [GEMMA_LAYERS[number] for number in (0, 1, 0, 0, 1)],
            "activation_sparsity_pattern": [0.5, 0.0, 0.0, 0.0, 0.0],
        },
        known="Gemma 3n E2B and E4B (text)",
    ),
    "gemma4_text": Family(
        "gemma4_text",
        {
            **{"num_hidden_layers": 6, "num_kv_shared_layers": 2, "final_logit_softcapping": 30.0},
            "layer_types": GEMMA_LAYERS * 3,
        },
        known="Gemma 4 (text)",
    ),
    "gemma4_moe_text": Family(
        "gemma4_text",
        {
            **{"layer_types": GEMMA_LAYERS, "enable_moe_block": True, "top_k_experts": 2, "num_experts": 4},
            "moe_intermediate_size": 32,
        },
        known="Gemma 4 mixture (text)",
    ),
    "gpt_neo": Family("gpt_neo", {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}),
    "falcon_new": Family("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}, known="Falcon 40B"),
    "mpt": Family("mpt", {"d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": 256, "expansion_ratio": 2}),
    "glm4_moe_lite": Family("glm4_moe_lite", {"num_key_value_heads": 4}, known="GLM 4.7 Flash"),
    "minicpm3": Family("minicpm3", {"num_key_value_heads": 4}, known="MiniCPM 3"),
    "granite": Family("granite", {"logits_scaling": 4.0}, known="Granite 3"),
    "granitemoe": Family("granitemoe", {"logits_scaling": 4.0}),
    "granitemoe_aux": Family("granitemoe", {"logits_scaling": 4.0, "output_router_logits": True}),
    "granitemoehybrid": Family("granitemoehybrid", {"logits_scaling": 4.0, **HYBRID}, known="Granite 4"),
    "hyperclovax": Family("hyperclovax", {"logits_scaling": 2.0}),
    "olmo_hybrid": Family("olmo_hybrid", FOUR),
    "glm_moe_dsa": Family("glm_moe_dsa", {"num_key_value_heads": 4}, known="GLM 5"),
    "deepseek_v2": Family("deepseek_v2", {"num_key_value_heads": 4}, known="DeepSeek V2"),
    "deepseek_v2_lite": Family(
        "deepseek_v2", {"q_lora_rank": None, "num_key_value_heads": 4}, known="DeepSeek V2 Lite, Moonlight"
    ),
    "deepseek_v3": Family("deepseek_v3", {"num_key_value_heads": 4}, known="DeepSeek V3 and R1, Kimi K2"),
    "deepseek_v32": Family("deepseek_v32", {"num_key_value_heads": 4}, known="DeepSeek V3.2"),
    "deepseek_v4": Family("deepseek_v4", FOUR),
    "lfm2": Family("lfm2", {"layer_types": ["conv", "full_attention"]}, known="LFM 2"),
    "lfm2_moe": Family("lfm2_moe", {"layer_types": ["conv", "full_attention"]}, known="LFM 2 8B-A1B"),
    "lfm3": Family("lfm3", FOUR),
    "falcon_h1": Family("falcon_h1", {"lm_head_multiplier": 0.5, "embedding_multiplier": 2.0}, known="Falcon H1"),
    "bamba": Family("bamba", {"attn_layer_indices": [1]}),
    "jamba": Family("jamba", {**FOUR, "attn_layer_period": 2, "attn_layer_offset": 1}, known="Jamba"),
    "mamba": Family("mamba", {"mamba_expand": 2}),
    "mamba2": Family("mamba2", {"num_heads": 8, "head_dim": 16}, known="Mamba 2, Codestral Mamba"),
    "nemotron_h": Family(
        "nemotron_h",
        {"layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"]},
        known="Nemotron H, Nemotron 3 Nano",
    ),
    "kimi_linear": Family(
        "kimi_linear",
        {
            **{**FOUR, "num_key_value_heads": 4, "layer_types": HYBRID["layer_types"] * 2},
            "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
        },
        known="Kimi Linear 48B-A3B",
    ),
    "exaone4": Family("exaone4", FOUR, known="EXAONE 4"),
    "recurrent_gemma": Family("recurrent_gemma", {"num_hidden_layers": 3}),
    "phi4_multimodal": Family(
        "phi4_multimodal", {"vision_config": PHI4_VISION, "audio_config": PHI4_AUDIO}, known="Phi 4 multimodal"
    ),
    "gemma3": Family("gemma3", text="gemma3_text", wrapper=True, known="Gemma 3 4B, 12B and 27B"),
    "gemma4": Family("gemma4", text="gemma4_text", wrapper=True, known="Gemma 4"),
    "mistral3": Family("mistral3", text="mistral", wrapper=True, known="Mistral Small 3.1 and 3.2"),
    "mistral3_ministral3": Family("mistral3", text="ministral3", wrapper=True, known="Ministral 3 3B, 8B and 14B"),
    "qwen2_vl": Family("qwen2_vl", wrapper=True, known="Qwen 2 VL"),
    "qwen2_5_vl": Family("qwen2_5_vl", wrapper=True, known="Qwen 2.5 VL"),
    "qwen3_vl": Family("qwen3_vl", wrapper=True, known="Qwen 3 VL"),
    "qwen3_5": Family("qwen3_5", text="qwen3_5_text", wrapper=True, known="Qwen 3.5"),
    "qwen3_5_moe": Family("qwen3_5_moe", text="qwen3_5_moe_text", wrapper=True, known="Qwen 3.5 mixtures"),
    "llama4": Family("llama4", text="llama4_text", wrapper=True, known="Llama 4 Scout and Maverick"),
    "llava": Family("llava", text="llama", wrapper=True),
    "smolvlm": Family("smolvlm", text="llama", wrapper=True, known="SmolVLM"),
}


def is_known(family: str) -> bool:
    """Whether the installed transformers has this family."""
    from transformers import CONFIG_MAPPING

    return FAMILIES[family].kind in CONFIG_MAPPING


def _keys_of(kind: Any) -> set[str]:
    found = set(getattr(kind, "__dataclass_fields__", {}) or {}) | set(getattr(kind, "attribute_map", {}) or {})
    return found | set(inspect.signature(kind.__init__).parameters)


def _text_config(family: Family) -> Any:
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[family.kind]
    keys = _keys_of(kind)
    values = {name: value for name, value in COMMON.items() if name in keys}
    for name, other in (getattr(kind, "attribute_map", {}) or {}).items():
        if name in values and other in values and name != other:
            values.pop(name)
    return kind(**{**values, **family.own})


def _wrapper_config(family: Family) -> Any:
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[family.kind]
    plain = kind()
    values: dict[str, Any] = {}
    if family.text:
        values["text_config"] = _text_config(FAMILIES[family.text]).to_dict()
    else:
        keys = _keys_of(type(plain.text_config))
        values["text_config"] = {name: value for name, value in COMMON.items() if name in keys}
        values["text_config"]["rope_parameters"] = {
            **{"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "mrope_interleaved": family.kind == "qwen3_vl",
        }
    vision = getattr(plain, "vision_config", None)
    if vision is not None:
        keys = _keys_of(type(vision))
        values["vision_config"] = {name: value for name, value in VISION.items() if name in keys}
        values["vision_config"]["model_type"] = vision.model_type
    if family.kind == "gemma4":
        values["audio_config"] = values["vision_config"] = None
    values |= {name: 5 for name in _keys_of(kind) if name.endswith(("token_id", "token_index"))}
    if family.kind == "gemma3":
        values["mm_tokens_per_image"] = 4
    return kind(**values)


def build(name: str) -> Any:
    """The model, its weights large enough for logits that differ clearly; in evaluation mode, float32."""
    import transformers

    family = FAMILIES[name]
    torch.manual_seed(0)
    if family.wrapper:
        config = _wrapper_config(family)
        model: Any = transformers.AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    else:
        model = transformers.AutoModelForCausalLM.from_config(_text_config(family), dtype=torch.float32)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor_name, parameter in model.named_parameters():
            _fill(tensor_name, parameter, draw)
    model.tie_weights()
    return model.eval()


def _fill(name: str, parameter: Any, draw: torch.Generator) -> None:
    matrix = parameter.ndim >= 2
    if matrix and 0.001 < float(parameter.std()) < 0.08 and "conv" not in name:
        parameter.copy_(torch.randn(parameter.shape, generator=draw) * (1.3 / math.sqrt(max(parameter.shape[-1], 16))))
    elif matrix and float(parameter.abs().max()) == 0:
        parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.1)
    elif parameter.ndim == 1 and "bias" in name and float(parameter.abs().max()) == 0:
        parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.05)


def save(model: Any, folder: Path) -> None:
    """The model and a tokenizer of its vocabulary."""
    from tests.models.tokenizer import tiny_tokenizer

    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
