"""The adapted weights of a LoRA as llama.cpp will see them: its name, its scale, the order of its rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training_pro.errors import ModelError
from training_pro.export.gguf_families import GgufNames
from training_pro.export.gguf_limits import refusal
from training_pro.export.lora_source import Lora
from training_pro.words import natural_key

A_ENDING, B_ENDING = ".lora_A.weight", ".lora_B.weight"
_WRAPPING = "base_model.model."


@dataclass(frozen=True)
class Pair:
    """One adapted weight: its A and B in the adapter's file, their shapes, and what llama.cpp calls the weight.

    `factor` goes into B: llama.cpp knows one alpha for all weights, and divides it by each one's own rank.
    """

    a_name: str
    b_name: str
    a_shape: tuple[int, ...]
    b_shape: tuple[int, ...]
    tensor: str
    factor: float

    @property
    def parameters(self) -> int:
        return math.prod(self.a_shape) + math.prod(self.b_shape)


def pairs_of(lora: Lora, names: GgufNames) -> tuple[float, list[Pair]]:
    """The alpha to write, and all adapted weights in the model's order.

    Raises:
        ModelError: the LoRA changes a weight that llama.cpp has no place for.
    """
    shapes = lora.info.shapes
    modules = sorted((key.removesuffix(A_ENDING) for key in shapes if key.endswith(A_ENDING)), key=natural_key)
    alphas = {module: _scale(lora, module) * shapes[module + A_ENDING][0] for module in modules}
    alpha = next((value for value in alphas.values() if value), 1.0)  # llama.cpp takes 0 for "none given"
    return alpha, [_pair(lora, names, module, alphas[module] / alpha) for module in modules]


def _pair(lora: Lora, names: GgufNames, module: str, factor: float) -> Pair:
    a_name, b_name, own_name = module + A_ENDING, module + B_ENDING, module.removeprefix(_WRAPPING)
    tensor, shapes = names.tensor(own_name), lora.info.shapes
    if b_name not in shapes:
        raise ModelError(f'The LoRA "{lora.name}" has an A but no B for {own_name}; get it anew.')
    if tensor is None:
        raise refusal(lora, f"changes {own_name}")
    if tensor == "output.weight" and names.tied:
        raise refusal(lora, "changes the head, which its base shares with the embeddings")
    return Pair(a_name, b_name, shapes[a_name], shapes[b_name], tensor, factor)


def _scale(lora: Lora, module: str) -> float:
    """What PEFT multiplies B times A with: single modules may have an alpha and a rank of their own."""
    from peft.utils.other import get_pattern_key

    alphas = lora.config.get("alpha_pattern") or {}
    alpha = float(alphas.get(get_pattern_key(alphas.keys(), module.removeprefix(_WRAPPING)), lora.info.alpha))
    rank = lora.info.shapes[module + A_ENDING][0]
    return alpha / math.sqrt(rank) if lora.info.use_rslora else alpha / rank
