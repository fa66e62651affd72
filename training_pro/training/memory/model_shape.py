"""The sizes of a loaded model that decide what training it takes, read from its config and its tensors.

Costs a walk over the modules, some milliseconds; nothing is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError
from training_pro.settings import Settings
from training_pro.training.memory.checkpointing import checkpointable_layers
from training_pro.training.model.adapter import targets_of
from training_pro.training.model.config import text_config, value_of, whole_number_of
from training_pro.training.model.heads import is_tied

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class ModelShape:
    """Widths are numbers per token; `number_bytes` are those of one such number as the layers compute it.

    `feed_forward` counts the experts that one token visits, `experts` of them (1: no mixture); `queries` is the width
    of all attention heads together, `keys` that of the heads' keys, which may be shared. `weights_bytes` is what the
    loaded weights take, quantization included; `tied`: the head is the embeddings. `checkpointable` layers can be
    checkpointed.
    """

    layers: int
    hidden: int
    feed_forward: int
    experts: int
    queries: int
    keys: int
    heads: int
    vocabulary: int
    number_bytes: int
    weights_bytes: int
    tied: bool
    whole_attention: bool  # eager attention holds every head's scores
    checkpointable: int


@dataclass(frozen=True)
class TargetShape:
    """The widths of one layer that gets a LoRA; of `experts` matrices in one tensor, where it is that many."""

    given: int
    made: int
    experts: int = 1


def model_shape(model: PreTrainedModel) -> ModelShape:
    """The shape of `model`; what its config does not say is taken to be as in Llama.

    Never raises: sizes that the config hides come from the embeddings and the layers themselves. Where layers differ,
    the largest counts.
    """
    config = text_config(model)
    embeddings: Any = model.get_input_embeddings().weight
    hidden = whole_number_of(config, "hidden_size") or int(embeddings.shape[-1])
    heads = whole_number_of(config, "num_attention_heads") or 1
    experts = whole_number_of(config, "num_experts_per_tok") or 1
    width = whole_number_of(config, "head_dim") or max(1, hidden // heads)
    inner = whole_number_of(config, "moe_intermediate_size", "intermediate_size", "n_inner") or 4 * hidden
    return ModelShape(
        layers=whole_number_of(config, "num_hidden_layers") or _layers_of(model),
        hidden=hidden,
        feed_forward=inner * experts,
        experts=experts,
        queries=heads * width,
        keys=(whole_number_of(config, "num_key_value_heads") or heads) * width,
        heads=heads,
        vocabulary=whole_number_of(config, "vocab_size") or int(embeddings.shape[0]),
        number_bytes=int(embeddings.dtype.itemsize),
        weights_bytes=_weights_bytes(model),
        tied=is_tied(model),
        whole_attention=value_of(config, "_attn_implementation") == "eager",
        checkpointable=len(checkpointable_layers(model)),
    )


def _layers_of(model: nn.Module) -> int:
    """The length of the longest list of modules."""
    from torch import nn

    return max((len(module) for module in model.modules() if isinstance(module, nn.ModuleList)), default=1)


def _weights_bytes(model: nn.Module) -> int:
    total = 0
    for tensor in (*model.parameters(), *model.buffers()):
        total += tensor.numel() * tensor.element_size()
        scales = getattr(getattr(tensor, "quant_state", None), "absmax", None)
        total += scales.numel() * scales.element_size() if scales is not None else 0
    return total


def target_shapes(model: PreTrainedModel, settings: Settings) -> tuple[TargetShape, ...]:
    """The widths of all layers that `settings` put a LoRA on.

    Raises:
        ModelError: no such target.
    """
    modules = dict(model.named_modules())
    targets = targets_of(model, settings)
    experts = [TargetShape(tensor.given, tensor.made, tensor.count) for tensor in targets.experts]
    return (*(_target_shape(name, modules[name]) for name in targets.modules), *experts)


def _target_shape(name: str, module: Any) -> TargetShape:
    """Raises: ModelError: what stands there is no layer with a width."""
    given, made = value_of(module, "in_features"), value_of(module, "out_features")
    if isinstance(given, int) and isinstance(made, int):
        return TargetShape(given, made)
    shape = value_of(value_of(module, "weight"), "shape")
    if shape is not None and len(shape) == 2:  # GPT-2's Conv1D has its input first
        return TargetShape(int(shape[0]), int(shape[1]))
    raise ModelError(
        f"The width of {name} can't be read ({type(module).__name__}); choose other Target Projections.",
        option="--set targets=q-v",
        setting="targets",
    )


def trained_numbers(shape: ModelShape, targets: tuple[TargetShape, ...], settings: Settings) -> int:
    """How many numbers learn: the LoRA's, DoRA's magnitudes, and the heads where they are trained."""
    numbers = sum(settings.rank * (target.given + target.made) * target.experts for target in targets)
    if settings.use_dora:
        numbers += sum(target.made for target in targets)
    if settings.train_head:
        numbers += shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    return numbers
