"""The sizes of a loaded model that decide what training it takes, read from its config and its tensors.

Costs a walk over the modules, some milliseconds; nothing is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError
from training_pro.settings import Settings
from training_pro.training.model.heads import is_tied
from training_pro.training.model.targets import resolve_targets

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class ModelShape:
    """Widths are numbers per token; `number_bytes` are those of one such number as the layers compute it.

    `feed_forward` counts the experts that one token visits; `queries` is the width of all attention heads together.
    `weights_bytes` is what the loaded weights take, quantization included; `tied`: the head is the embeddings.
    """

    layers: int
    hidden: int
    feed_forward: int
    queries: int
    heads: int
    vocabulary: int
    number_bytes: int
    weights_bytes: int
    tied: bool
    whole_attention: bool  # eager attention holds every head's scores


@dataclass(frozen=True)
class TargetShape:
    """The widths of one layer that gets a LoRA."""

    given: int
    made: int


def model_shape(model: PreTrainedModel) -> ModelShape:
    """The shape of `model`; what its config does not say is taken to be as in Llama."""
    config: Any = model.config.get_text_config()
    hidden = int(config.hidden_size)
    heads = int(getattr(config, "num_attention_heads", 0) or 1)
    experts = int(getattr(config, "num_experts_per_tok", 0) or 1)
    inner = getattr(config, "moe_intermediate_size", None) or getattr(config, "intermediate_size", None)
    inner = inner or getattr(config, "n_inner", None) or 4 * hidden
    return ModelShape(
        layers=int(config.num_hidden_layers),
        hidden=hidden,
        feed_forward=int(inner) * experts,
        queries=heads * int(getattr(config, "head_dim", None) or hidden // heads),
        heads=heads,
        vocabulary=int(config.vocab_size),
        number_bytes=int(model.get_input_embeddings().weight.dtype.itemsize),
        weights_bytes=_weights_bytes(model),
        tied=is_tied(model),
        whole_attention=getattr(config, "_attn_implementation", "") == "eager",
    )


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
    targets = resolve_targets(model, settings.targets, settings.target_modules)
    return tuple(_target_shape(name, modules[name]) for name in targets.modules)


def _target_shape(name: str, module: Any) -> TargetShape:
    if hasattr(module, "in_features"):
        return TargetShape(int(module.in_features), int(module.out_features))
    if hasattr(module, "nf"):  # GPT-2's Conv1D
        return TargetShape(int(module.weight.shape[0]), int(module.nf))
    raise ModelError(f"The width of {name} can't be read ({type(module).__name__}); choose other targets.")


def trained_numbers(shape: ModelShape, targets: tuple[TargetShape, ...], settings: Settings) -> int:
    """How many numbers learn: the LoRA's, DoRA's magnitudes, and the heads where they are trained."""
    numbers = sum(settings.rank * (target.given + target.made) for target in targets)
    if settings.use_dora:
        numbers += sum(target.made for target in targets)
    if settings.train_head:
        numbers += shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    return numbers
