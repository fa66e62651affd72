"""The adapted weights of a LoRA as llama.cpp will see them: name, scale, order of rows. Refuses what a GGUF LoRA can't
hold: everything that is more than a product of two matrices added to a weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training_pro.errors import ModelError, RunError
from training_pro.export.gguf_families import GgufNames
from training_pro.export.gguf_layout import Order, Part
from training_pro.export.lora_on_base import WRAPPING
from training_pro.export.lora_source import Lora
from training_pro.words import natural_key

if TYPE_CHECKING:
    import torch

A_ENDING, B_ENDING = ".lora_A.weight", ".lora_B.weight"
_FEATURES = {
    "use_dora": "is a DoRA, which also scales whole columns",
    "modules_to_save": "holds whole trained modules (embeddings or head)",
    "trainable_token_indices": "trained single tokens of the embeddings",
    "target_parameters": "changes the experts' parameters",
    "lora_bias": "trained biases",
    "alora_invocation_tokens": "acts only after certain tokens",
    "layer_replication": "repeats layers of its base",
}
_NOTHING: tuple[object, ...] = (None, False, "none", [], {})
# Ways to start a LoRA that leave the base as it is; others (PiSSA, OLoRA, LoftQ, ...) change it.
_HARMLESS_STARTS: tuple[object, ...] = (None, True, False, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True)
class Pair:
    """One GGUF weight with its A (rank, inputs) and B (outputs, rank) in the adapter's file.

    `factor` goes into B: llama.cpp knows one alpha for all weights, and divides it by each weight's own rank.
    """

    a_name: str
    b_name: str
    a_shape: tuple[int, ...]
    b_shape: tuple[int, ...]
    tensor: str
    factor: float
    columns: torch.Tensor | None = None
    rows: torch.Tensor | None = None

    @property
    def parameters(self) -> int:
        return math.prod(self.a_shape) + math.prod(self.b_shape)

    def a(self, weight: torch.Tensor) -> torch.Tensor:
        """The A of the file as llama.cpp needs it."""
        return weight if self.columns is None else weight[:, self.columns]

    def b(self, weight: torch.Tensor) -> torch.Tensor:
        """The B of the file as llama.cpp needs it."""
        return (weight if self.rows is None else weight[self.rows]).float() * self.factor


def pairs_of(lora: Lora, names: GgufNames, apart: frozenset[str] = frozenset()) -> tuple[float, list[Pair]]:
    """The alpha to write, and all adapted weights but those in `apart`, in the model's order.

    Raises:
        ModelError: the LoRA is more than A and B of linear modules, or llama.cpp has no place for a weight.
    """
    phrase = more_than_products(lora, experts=True)
    if phrase:
        raise refusal(lora, phrase)
    shapes = lora.info.shapes
    modules = sorted({key.removesuffix(A_ENDING) for key in shapes if key.endswith(A_ENDING)} - apart, key=natural_key)
    alphas = {module: scale_of(lora, module) * shapes[module + A_ENDING][0] for module in modules}
    alpha = next(
        (value for value in alphas.values() if value), lora.info.alpha or 1.0
    )  # llama.cpp reads 0 as "not given"
    return alpha, [pair for module in modules for pair in _pairs(lora, names, module, alphas[module] / alpha)]


def _pairs(lora: Lora, names: GgufNames, module: str, factor: float) -> list[Pair]:
    a_name, b_name, own_name = module + A_ENDING, module + B_ENDING, module.removeprefix(WRAPPING)
    shapes = lora.info.shapes
    if b_name not in shapes:
        raise RunError(f'The LoRA "{lora.name}" has an A but no B for {own_name}. Copy or download it again.')
    parts = names.parts(own_name)
    if not parts:
        raise refusal(lora, f"changes {own_name}{names.reason(own_name)}")
    if names.tied and parts[0][0] == "output.weight":
        raise refusal(lora, "changes the head, which its base shares with the embeddings")
    return [_pair(names, (a_name, shapes[a_name]), (b_name, shapes[b_name]), part, factor) for part in parts]


def _pair(
    names: GgufNames,
    a: tuple[str, tuple[int, ...]],
    b: tuple[str, tuple[int, ...]],
    named_part: tuple[str, Part],
    factor: float,
) -> Pair:
    tensor, part = named_part
    (a_name, a_shape), (b_name, b_shape) = a, b
    columns, rows = _indexes(names, part.columns, a_shape[1]), _indexes(names, part.rows, b_shape[0])
    if rows is not None:
        b_shape = (len(rows), b_shape[1])
    scale = 1.0 if part.scale is None else float(part.scale(names.config))
    return Pair(a_name, b_name, a_shape, b_shape, tensor, factor * scale, columns, rows)


def _indexes(names: GgufNames, order: Order | None, count: int) -> torch.Tensor | None:
    import torch

    return None if order is None else order(names.config, torch.arange(count))


def more_than_products(lora: Lora, experts: bool = False) -> str:
    """What `lora` is or has besides A and B of linear modules (with `experts`: or of experts); empty: nothing."""
    config = lora.config
    for name, phrase in _FEATURES.items():
        if config.get(name) not in _NOTHING and not (experts and name == "target_parameters"):
            return phrase
    if config.get("bias") not in _NOTHING:
        return "trained biases"
    if config.get("init_lora_weights") not in _HARMLESS_STARTS:
        return f"changed its base when it started (init_lora_weights {config['init_lora_weights']!r})"
    kinds = [name for name in config if name.startswith("use_") and name != "use_rslora" and config[name]]
    kinds += [name for name in ("arrow_config", "kasa_config", "monteclora_config") if config.get(name)]
    return f"is of a special kind ({', '.join(kinds)})" if kinds else _odd_tensors(lora)


def _odd_tensors(lora: Lora) -> str:
    odd = [name for name in lora.info.shapes if not name.endswith((A_ENDING, B_ENDING))]
    if any("lora_embedding" in name for name in odd):
        return "changes the embeddings"
    return f"holds more than A and B ({odd[0][:100]})" if odd else ""


def refusal(lora: Lora, phrase: str) -> ModelError:
    """The sentence on a LoRA that a GGUF file can't hold."""
    return ModelError(
        f'The LoRA "{lora.name}" {phrase}, which a GGUF LoRA can\'t express. '
        "Merge it into its base instead (the command merge) and convert the merged model."
    )


def scale_of(lora: Lora, module: str) -> float:
    """What PEFT multiplies B times A with: single modules may have an alpha and a rank of their own."""
    from peft.utils.other import get_pattern_key

    alphas = lora.config.get("alpha_pattern") or {}
    alpha = float(alphas.get(get_pattern_key(alphas.keys(), module.removeprefix(WRAPPING)), lora.info.alpha))
    rank = lora.info.shapes[module + A_ENDING][0]
    return alpha / math.sqrt(rank) if lora.info.use_rslora else alpha / rank
