"""Gradient checkpointing layer by layer: a checkpointed layer keeps only its input and is computed a second time for
its gradients.

Each decoder layer of transformers has a switch of its own, so only as many layers are checkpointed as memory asks for:
the first ones, whose outputs would be kept longest. When the backward pass comes to them, what the others kept is
free already. A layer costs a third of its time more; what is learned stays the same to the bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from training_pro.settings import Settings

if TYPE_CHECKING:
    from torch import nn

NOT_POSSIBLE = "Gradient Checkpoint is on, but this model can't do it. Set it to off or auto."
_STEPS = 6  # from none to all, where memory runs out again and again


def checkpointable_layers(model: nn.Module) -> list[Any]:
    """The decoder layers of `model` that can be checkpointed, in their order; [] where the model can't do it."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    if not getattr(model, "supports_gradient_checkpointing", False):
        return []
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    decoder = _decoder(model)
    if decoder is not None:
        inside = set(map(id, decoder.modules()))
        layers = [layer for layer in layers if id(layer) in inside] or layers
    nested = {id(inner) for layer in layers for inner in layer.modules() if inner is not layer}
    return [layer for layer in layers if id(layer) not in nested]


def _decoder(model: nn.Module) -> Any:
    """The part that reads text, in models that also see or hear."""
    try:
        return model.get_decoder()
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None


@dataclass
class Checkpointing:
    """The layers of a model that can be checkpointed, and how many are. To be undone by a snapshot."""

    layers: list[Any]
    count: int = 0

    @classmethod
    def of(cls, model: nn.Module) -> Checkpointing:
        return cls(checkpointable_layers(model))

    def use(self, count: int) -> None:
        """Checkpoint the first `count` layers and no other."""
        from torch.utils.checkpoint import checkpoint

        self.count = min(max(count, 0), len(self.layers))
        for number, layer in enumerate(self.layers):
            layer.gradient_checkpointing = number < self.count
            layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)

    def more(self) -> str:
        """After running out of memory: checkpoint more layers; a sentence that says so, "" where all are already."""
        if self.count >= len(self.layers):
            return ""
        self.use(self.count + math.ceil(len(self.layers) / _STEPS))
        return (
            f"Out of memory: from now on {self.words()} checkpointed. This takes a little longer; the result is the "
            "same."
        )

    def words(self) -> str:
        """ "12 of 32 layers are"."""
        return f"{self.count} of {len(self.layers)} layers are"


def layers_at_first(settings: Settings, layers: int) -> int | None:
    """How many of so many layers a run checkpoints whatever the memory; None: as many as memory asks for."""
    if settings.gradient_checkpointing == "auto":
        return None
    return layers if settings.gradient_checkpointing == "on" else 0
