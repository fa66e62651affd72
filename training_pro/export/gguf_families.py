"""How llama.cpp names and lays out the weights that a LoRA changes, for the model families it is offered for.

llama.cpp turns positions by neighbouring numbers in models of its "llama" kind, transformers by numbers half a
head apart; so a GGUF model of that kind has the rows of q and k in another order, and a LoRA must follow: its B
gives the rows, its A stays. In the wrong order it loads without a word and talks nonsense.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training_pro.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Family:
    """`arch`: what gguf's `MODEL_ARCH` calls it; `turned`: q and k have their rows in llama.cpp's own order."""

    arch: str
    turned: bool = False


_FAMILIES = {
    "llama": Family("LLAMA", turned=True),
    "mistral": Family("LLAMA", turned=True),
    "mixtral": Family("LLAMA", turned=True),
    "qwen2": Family("QWEN2"),
    "qwen3": Family("QWEN3"),
    "qwen3_moe": Family("QWEN3MOE"),
    "gemma": Family("GEMMA"),
    "gemma2": Family("GEMMA2"),
    "gemma3": Family("GEMMA3"),
    "gemma3_text": Family("GEMMA3"),
}
_TEXT_PART = re.compile(r"^(?:model\.)?language_model\.(?:model\.)?")


class GgufNames:
    """The GGUF tensors of one base model.

    Raises:
        ModelError: llama.cpp's form of this kind of model is not known here.
    """

    def __init__(self, config: PretrainedConfig, base_name: str) -> None:
        import gguf

        family = _FAMILIES.get(config.model_type)
        if family is None:
            raise ModelError(
                f"{base_name} is a {config.model_type} model; LoRAs for llama.cpp can be made of "
                f"{', '.join(_FAMILIES)}. Merge the LoRA instead and convert the merged model."
            )
        text = config.get_text_config()
        architecture = gguf.MODEL_ARCH[family.arch]
        self.arch: str = gguf.MODEL_ARCH_NAMES[architecture]
        self.tied: bool = text.tie_word_embeddings
        self._map = gguf.get_tensor_name_map(architecture, text.num_hidden_layers)
        self._heads = {"attn_q": text.num_attention_heads, "attn_k": text.num_key_value_heads} if family.turned else {}

    def tensor(self, module: str) -> str | None:
        """What llama.cpp calls the weight of `module` ("model.layers.0.self_attn.q_proj"); None: it has none such."""
        found: str | None = self._map.get_name(_TEXT_PART.sub("model.", module))
        return f"{found}.weight" if found else None

    def rows(self, tensor: str, lora_b: torch.Tensor) -> torch.Tensor:
        """`lora_b` (outputs, rank), its rows in the order that llama.cpp has them in `tensor`."""
        heads = self._heads.get(tensor.split(".")[-2])
        if heads is None:
            return lora_b
        halves = lora_b.reshape(heads, 2, lora_b.shape[0] // heads // 2, lora_b.shape[1])
        return halves.swapaxes(1, 2).reshape(lora_b.shape)
