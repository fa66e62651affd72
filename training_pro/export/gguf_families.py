"""The model families that a GGUF LoRA can be made for: their name in llama.cpp, and where a module's weight lies there.

Each family in the table was heard in a real llama.cpp: over a GGUF that llama.cpp's own converter made of a tiny
model, the LoRA changes log-probabilities as it does in transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from training_pro.errors import ModelError
from training_pro.export.base_model import has_tied_head
from training_pro.export.gguf_layout import (
    FALCON,
    FALCON_H1,
    GROUPED,
    KEY_HEADS,
    PAIRED,
    SHARED_EXPERT,
    TILED,
    Layout,
    Part,
)
from training_pro.export.lora_on_base import TEXT_PART

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Family:
    """`arch`: its name in gguf's `MODEL_ARCH`; `layout`: the modules whose rows llama.cpp keeps in another order.

    `refused`: modules that llama.cpp has no such weight for, by the ending of their name, with the reason.
    """

    arch: str
    layout: Layout = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


PER_LAYER = {"per_layer_model_projection": "llama.cpp adds no LoRA to it"}
_NOT_THERE = "llama.cpp adds no LoRA to latent attention"
LATENT = dict.fromkeys(("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj"), _NOT_THERE)
SCALED_MAMBA = {"mamba.in_proj": "llama.cpp's files have its multipliers inside the weight, which a LoRA can't follow"}
TIME_STEPS = {"dt_proj": "llama.cpp adds no LoRA to it"}

FAMILIES: Mapping[str, Family] = {
    "llama": Family("LLAMA", PAIRED),
    "mistral": Family("LLAMA", PAIRED),
    "mixtral": Family("LLAMA", PAIRED),
    "llava": Family("LLAMA", PAIRED),
    "ministral3": Family("MISTRAL3", PAIRED),
    "mistral3": Family("MISTRAL3", PAIRED),
    "arcee": Family("ARCEE", PAIRED),
    "smollm3": Family("SMOLLM3", PAIRED),
    "granite": Family("GRANITE", PAIRED),
    "granitemoe": Family("GRANITE_MOE", PAIRED),
    "granitemoehybrid": Family("GRANITE_HYBRID", {**PAIRED, **SHARED_EXPERT}),
    "olmo": Family("OLMO", PAIRED),
    "qwen2": Family("QWEN2"),
    "qwen2_moe": Family("QWEN2MOE"),
    "qwen2_vl": Family("QWEN2VL"),
    "qwen2_5_vl": Family("QWEN2VL"),
    "qwen3": Family("QWEN3"),
    "qwen3_moe": Family("QWEN3MOE"),
    "qwen3_vl": Family("QWEN3VL"),
    "qwen3_next": Family("QWEN3NEXT", KEY_HEADS),
    "qwen3_5": Family("QWEN35", TILED),
    "qwen3_5_text": Family("QWEN35", TILED),
    "qwen3_5_moe": Family("QWEN35MOE", TILED),
    "qwen3_5_moe_text": Family("QWEN35MOE", TILED),
    "gemma": Family("GEMMA"),
    "gemma2": Family("GEMMA2"),
    "gemma3": Family("GEMMA3"),
    "gemma3_text": Family("GEMMA3"),
    "gemma4": Family("GEMMA4", refused=PER_LAYER),
    "gemma4_text": Family("GEMMA4", refused=PER_LAYER),
    "gpt_oss": Family("GPT_OSS"),
    "phi": Family("PHI2"),
    "phi3": Family("PHI3"),
    "glm": Family("CHATGLM"),
    "glm4": Family("GLM4"),
    "glm4_moe": Family("GLM4_MOE"),
    "starcoder2": Family("STARCODER2"),
    "stablelm": Family("STABLELM"),
    "cohere": Family("COMMAND_R"),
    "cohere2": Family("COHERE2"),
    "olmo2": Family("OLMO2"),
    "olmo3": Family("OLMO2"),
    "olmoe": Family("OLMOE"),
    "ernie4_5": Family("ERNIE4_5"),
    "ernie4_5_moe": Family("ERNIE4_5_MOE"),
    "seed_oss": Family("SEED_OSS"),
    "hunyuan_v1_dense": Family("HUNYUAN_DENSE"),
    "exaone4": Family("EXAONE4"),
    "apertus": Family("APERTUS"),
    "nemotron": Family("NEMOTRON"),
    "jais2": Family("JAIS2"),
    "minicpm3": Family("MINICPM3", refused=LATENT),
    "minimax_m2": Family("MINIMAXM2"),
    "gpt2": Family("GPT2"),
    "gpt_bigcode": Family("STARCODER"),
    "gpt_neox": Family("GPTNEOX", GROUPED),
    "bloom": Family("BLOOM", GROUPED),
    "falcon": Family("FALCON", FALCON),
    "falcon_h1": Family("FALCON_H1", FALCON_H1, refused=SCALED_MAMBA),
    "lfm2": Family("LFM2"),
    "lfm2_moe": Family("LFM2MOE"),
    "jamba": Family("JAMBA", refused=TIME_STEPS),
    "mamba": Family("MAMBA", refused=TIME_STEPS),
    "mamba2": Family("MAMBA2"),
}
REFUSED: Mapping[str, str] = {
    "bamba": "llama.cpp computes even the base differently",
    "deepseek_v2": _NOT_THERE,
    "deepseek_v3": _NOT_THERE,
    "gemma3n": "llama.cpp only approximates its sparse activations",
    "gemma3n_text": "llama.cpp only approximates its sparse activations",
    "glm4_moe_lite": _NOT_THERE,
    "gptj": "llama.cpp's converter doesn't know it",
    "helium": "llama.cpp's converter doesn't know it",
    "llama4": "llama.cpp crashes on the tiny test model",
    "llama4_text": "llama.cpp crashes on the tiny test model",
    "mellum": "the package gguf doesn't know it",
    "mpt": "llama.cpp's converter can't read its present form",
    "opt": "llama.cpp's converter doesn't know it",
    "phimoe": "llama.cpp's converter can't read its present form",
    "smolvlm": "llama.cpp's converter can't read its present form",
}
"""Families that llama.cpp can't take, or that could not be proven, with the reason."""
_UNCHANGED = (Part(),)
MERGE_INSTEAD = " Merge the LoRA instead (the command merge) and convert the merged model."


class GgufNames:
    """The GGUF tensors of one base model.

    Raises:
        ModelError: this kind of model is not in the table.
    """

    def __init__(self, config: PretrainedConfig, base_name: str) -> None:
        import gguf

        family = FAMILIES.get(config.model_type)
        if family is None:
            why = REFUSED.get(config.model_type, "this family was not tried in llama.cpp")
            kind = "" if base_name == config.model_type else f" (its kind: {config.model_type})"
            raise ModelError(f"No LoRA for llama.cpp can be made for {base_name}{kind}: {why}.{MERGE_INSTEAD}")
        self.config = config.get_text_config()
        self.family = family
        architecture = getattr(gguf.MODEL_ARCH, family.arch)
        self.arch: str = gguf.MODEL_ARCH_NAMES[architecture]
        self.tied = has_tied_head(config)
        self._map = gguf.get_tensor_name_map(architecture, self.config.num_hidden_layers)

    def parts(self, module: str) -> tuple[tuple[str, Part], ...]:
        """The GGUF weights that hold `module` ("model.layers.0.self_attn.q_proj"), by name; none: there is no such."""
        plain = TEXT_PART.sub("model.", module)
        if self.reason(plain):
            return ()
        ending = next((ending for ending in self.family.layout if plain.endswith(f".{ending}") or plain == ending), "")
        found = []
        for part in self.family.layout.get(ending, _UNCHANGED):
            name = self._block_tensor(plain, part.suffix) if part.suffix else self._map.get_name(plain)
            if name is None:
                return ()
            found.append((f"{name}.weight", part))
        return tuple(found)

    def reason(self, module: str) -> str:
        """Why llama.cpp has no weight for `module`, in brackets, where it is known."""
        found = next((reason for ending, reason in self.family.refused.items() if module.endswith(ending)), "")
        return f" ({found})" if found else ""

    @staticmethod
    def _block_tensor(module: str, suffix: str) -> str | None:
        block = re.search(r"\.layers\.(\d+)\.", module)
        return f"blk.{block[1]}.{suffix}" if block else None
