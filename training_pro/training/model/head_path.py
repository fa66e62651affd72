"""The way of a loaded model from its hidden states to its logits, walked for a few tokens at a time.

Families do different things after their layers: a head, a norm before it, a scale, a soft cap, some words cut off.
Instead of knowing them all, the model's own `forward` is called with its body set aside for the moment: the body
answers with the hidden states at hand, and what comes out are the logits of these, computed as the model does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.modeling_outputs import CausalLMOutputWithPast as Output

from training_pro.training.model.text_part import text_part

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["HeadPath", "Output", "head_paths"]


class _Answer(BaseModelOutputWithPast):
    """What a body gives back: the hidden states, and None for whatever else is asked of it."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


@dataclass(frozen=True)
class HeadPath:
    """`model`, its own `forward`, and the body (called `name` in it) that makes the hidden states."""

    model: PreTrainedModel
    own: Callable[..., Any]
    body: nn.Module
    name: str

    def hidden_states(self, **inputs: Any) -> torch.Tensor:
        """What the head reads, (batch, time, width)."""
        output: torch.Tensor = self.body(**{**inputs, "use_cache": False})[0]
        return output

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """The logits (n, words) of `hidden` (n, width), as the model itself computes them."""
        words = torch.zeros((1, hidden.shape[0]), dtype=torch.int64, device=hidden.device)
        with self._answering(hidden[None]):
            logits: torch.Tensor = self.own(input_ids=words, use_cache=False).logits
        return logits[0]

    @contextmanager
    def _answering(self, hidden: torch.Tensor) -> Iterator[None]:
        """The body answers with `hidden` in the meantime, its hooks and those of accelerate set aside."""
        own = vars(self.body)
        before = own.get("forward")
        own["forward"] = lambda *_, **__: _Answer(last_hidden_state=hidden)
        try:
            yield
        finally:
            if before is None:
                del own["forward"]
            else:
                own["forward"] = before

    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters outside the body that learn, each once."""
        parts: list[nn.Module] = [self.model]
        found: dict[int, nn.Parameter] = {}
        while parts:
            part = parts.pop()
            for parameter in part.parameters(recurse=False):
                if parameter.requires_grad:
                    found[id(parameter)] = parameter
            parts += [child for child in part.children() if child is not self.body]
        return list(found.values())


def head_paths(model: PreTrainedModel, own: Callable[..., Any]) -> Iterator[HeadPath]:
    """The ways to try, the likeliest first."""
    seen: set[int] = {id(model)}
    for body in (getattr(model, model.base_model_prefix or "-", None), text_part(model)):
        if isinstance(body, nn.Module) and id(body) not in seen:
            seen.add(id(body))
            name = next((name for name, module in model.named_modules() if module is body), "")
            yield HeadPath(model, own, body, name)
