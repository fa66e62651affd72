"""LoRAs on the experts of a mixture, which PEFT keeps as one A and one B for all experts of a layer, as llama.cpp has
them: a matrix for each expert, and gate and up apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training_pro.export.gguf_pairs import A_ENDING, B_ENDING, Pair, refusal
from training_pro.export.lora_on_base import TEXT_PART, WRAPPING
from training_pro.export.lora_source import Lora

if TYPE_CHECKING:
    import torch

HALVES, ALTERNATING = "halves", "alternating"
FAMILIES: Mapping[str, str] = {
    "mixtral": HALVES,
    "qwen3_moe": HALVES,
    "qwen3_5_moe": HALVES,
    "qwen3_5_moe_text": HALVES,
    "olmoe": HALVES,
    "gpt_oss": ALTERNATING,
}
"""The families whose experts were proven, and how their `gate_up_proj` holds the rows of gate and up."""


@dataclass(frozen=True)
class Experts:
    """One tensor of `count` experts, each with `inputs` and `outputs`; `inputs_first`: the tensor has them before."""

    count: int
    inputs: int
    outputs: int
    inputs_first: bool


@dataclass(frozen=True)
class ExpertPair(Pair):
    """A pair of all experts: A (experts, rank, inputs) and B (experts, outputs, rank). `turned`: older PEFT, in which
    the adapter's B reads and its A writes."""

    count: int = 1
    turned: bool = False

    def a(self, weight: torch.Tensor) -> torch.Tensor:
        if self.turned:
            return weight.reshape(len(weight), -1, self.count).permute(2, 1, 0)
        return weight.reshape(self.count, -1, weight.shape[1])

    def b(self, weight: torch.Tensor) -> torch.Tensor:
        if self.turned:
            each = weight.reshape(self.count, -1, weight.shape[1]).transpose(1, 2)
        else:
            each = weight.reshape(len(weight), -1, self.count).permute(2, 0, 1)
        return each[:, self.rows].float() * self.factor


def is_of_experts(lora: Lora, module: str) -> bool:
    """Whether the LoRA's `module` is on a tensor of experts."""
    holder = "." + _holder(module)
    return any(holder.endswith("." + name.rpartition(".")[0]) for name in lora.info.parameters)


def expert_pairs(lora: Lora, module: str, tensors: Mapping[str, Experts], kind: str, alpha: float) -> list[ExpertPair]:
    """The pairs of `module` ("base_model.model.model.layers.0.mlp.experts.base_layer"); `alpha`: that of the file.

    Raises:
        ModelError: the experts of this family were not proven, or this LoRA gives them scales of their own.
    """
    block = re.search(r"\.layers\.(\d+)\.", module)
    if kind not in FAMILIES or block is None:
        raise refusal(lora, f"changes experts of the kind {kind}, which was not proven in llama.cpp")
    if any(re.search("expert|gate_up|down_proj", key) for key in lora.config.get("alpha_pattern") or {}):
        raise refusal(lora, "gives the experts scales of their own")
    holder = TEXT_PART.sub("model.", _holder(module).removeprefix(WRAPPING))
    name, experts, turned = _meant(lora, module, holder, tensors)
    names = (module + B_ENDING, module + A_ENDING) if turned else (module + A_ENDING, module + B_ENDING)
    rank = lora.info.shapes[module + A_ENDING][0] // experts.count
    scale = lora.info.alpha / rank**0.5 if lora.info.use_rslora else lora.info.alpha / rank
    found = []
    for suffix, rows in _rows(name, experts.outputs, FAMILIES[kind]):
        shapes = (experts.count, rank, experts.inputs), (experts.count, len(rows), rank)
        tensor = f"blk.{block[1]}.{suffix}.weight"
        found.append(
            ExpertPair(*names, *shapes, tensor, scale * rank / alpha, rows=rows, count=experts.count, turned=turned)
        )
    return found


def _meant(lora: Lora, module: str, holder: str, tensors: Mapping[str, Experts]) -> tuple[str, Experts, bool]:
    """Which tensor of the experts it is: PEFT's names don't say so, the sizes do."""
    reads, writes = lora.info.shapes[module + A_ENDING][1], lora.info.shapes[module + B_ENDING][0]
    for turned in (False, True):
        for name in {parameter.rpartition(".")[2] for parameter in lora.info.parameters}:
            experts = tensors.get(f"{holder}.{name}")
            sizes = (writes, reads) if turned else (reads, writes)
            if experts is not None and (experts.inputs, experts.outputs) == sizes:
                if experts.inputs == experts.outputs and not experts.inputs_first:
                    raise refusal(
                        lora, f"changes {holder}.{name}, whose square matrices releases of PEFT turn differently"
                    )
                return name, experts, turned
    raise refusal(lora, f"changes {holder} in sizes that its base doesn't have")


def _rows(name: str, outputs: int, order: str) -> list[tuple[str, torch.Tensor]]:
    import torch

    rows = torch.arange(outputs)
    if name != "gate_up_proj":
        return [("ffn_down_exps", rows)]
    gate, up = (rows[::2], rows[1::2]) if order == ALTERNATING else rows.chunk(2)
    return [("ffn_gate_exps", gate), ("ffn_up_exps", up)]


def _holder(module: str) -> str:
    return re.sub(r"(\.base_layer)+$", "", module)
