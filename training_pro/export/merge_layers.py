"""PEFT's own merge, layer by layer in float32; measures how much rounding to the saved type loses."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from training_pro.errors import ModelError
from training_pro.progress import Progress

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Rounding:
    """`share`: how far rounding moved the merged layers, divided by how far the LoRA moved them (2-norms)."""

    layers: int
    share: float


def merge_all(wrapped: PeftModel, dtype_name: str, progress: Progress) -> tuple[PreTrainedModel, Rounding]:
    """The model without PEFT, with the LoRA in its weights, all in `dtype_name`.

    Raises:
        ModelError: a merged weight is not a finite number, or too large for the type.
        ValueError: PEFT can't merge this kind of LoRA.
    """
    from peft.tuners.lora import LoraLayer

    dtype = getattr(torch, dtype_name)
    tied = _untied_where_merged(wrapped)
    layers = [(name, module) for name, module in wrapped.named_modules() if isinstance(module, LoraLayer)]
    moved = rounded = 0.0
    for done, (name, layer) in enumerate(layers):
        progress(done, len(layers), "merging")
        layer_moved, layer_rounded = _merge_layer(name, layer, dtype)
        moved, rounded = moved + layer_moved, rounded + layer_rounded
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT warns that each layer is already merged
        model = wrapped.merge_and_unload(safe_merge=True)
    _settle_tying(model, tied)
    progress(len(layers), len(layers), "merging")
    return model.to(dtype), Rounding(len(layers), math.sqrt(rounded / moved) if moved else 0.0)


def _merge_layer(name: str, layer: Any, dtype: torch.dtype) -> tuple[float, float]:
    """Merge one layer. Returns the squared norms of the change and of the rounding."""
    own = list(layer.get_base_layer().parameters(recurse=False))
    before = [parameter.data.float() for parameter in own]
    for parameter, exact in zip(own, before, strict=True):
        parameter.data = exact
    layer.merge(safe_merge=True)  # PEFT merges into a copy: `before` keeps its values
    moved = rounded = 0.0
    for parameter, old in zip(layer.get_base_layer().parameters(recurse=False), before, strict=True):
        exact = parameter.data
        parameter.data = exact.to(dtype)
        moved += _squared(exact - old)
        rounded += _squared(parameter.data.float() - exact)
    if not math.isfinite(rounded):
        raise ModelError(
            f"The merged {name} has weights too large for {str(dtype).removeprefix('torch.')}. Save in another type: "
            "bfloat16 or float32.",
            option=("--dtype bfloat16", "--dtype float32"),
        )
    return moved, rounded


def _squared(difference: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(difference)) ** 2


def _heads(model: Any) -> tuple[Any, Any]:
    return model.get_input_embeddings(), model.get_output_embeddings()


def _bare(module: nn.Module) -> Any:
    """The module itself, without PEFT's wrapper."""
    bare = getattr(module, "get_base_layer", lambda: module)()
    return getattr(bare, "original_module", bare)


def _untied_where_merged(wrapped: PeftModel) -> bool:
    """Whether embeddings and head share one matrix. If a LoRA changes one of them, they are separated here.

    A LoRA on the embeddings changes their output only, not the head: merged into one matrix it would change both.
    """
    from peft.tuners.lora import LoraLayer
    from torch import nn

    given, output = _heads(wrapped.get_base_model())
    if given is None or output is None or _bare(given).weight is not _bare(output).weight:
        return False
    if isinstance(given, LoraLayer) or isinstance(output, LoraLayer):
        _bare(output).weight = nn.Parameter(_bare(output).weight.data.clone(), requires_grad=False)
    return True


def _settle_tying(model: PreTrainedModel, were_tied: bool) -> None:
    """One matrix where embeddings and head are equal, two where the LoRA makes them differ; the config says which.

    PEFT itself may tie them, even in a model where they were separate.
    """
    given, output = _heads(model)
    if given is None or output is None or not (were_tied or given.weight is output.weight):
        return
    alike = given.weight is output.weight or torch.equal(given.weight, output.weight)
    if alike:
        output.weight = given.weight
    for config in (model.config, model.config.get_text_config()):
        if hasattr(config, "tie_word_embeddings"):
            config.tie_word_embeddings = alike
