"""Train Head: the embeddings and the output head, trained whole beside the LoRA.

PEFT trains copies of both, so the host's own stay as they are. Two things it leaves to us: a model whose head *is*
its embeddings gets one copy for both again (PEFT's own tying depends on its version and on the modules' names), and
half-precision copies are held in float32, in which small steps of the optimizer do not round to nothing.
Costs 4 bytes a number for the copy, as much again for its gradient, and the optimizer's state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from training_pro.errors import ModelError

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

TIED_NOTE = "Embeddings and head share their weights in this model; they are trained as one."


def is_tied(model: PreTrainedModel) -> bool:
    """Whether head and embeddings are the same tensor."""
    output, given = model.get_output_embeddings(), model.get_input_embeddings()
    return output is not None and getattr(output, "weight", None) is getattr(given, "weight", object())


def frozen_embeddings(model: Any) -> torch.Tensor:
    """The weight of the embeddings as the run has it, below a copy that learns: that one is float32, whatever the run
    computes in."""
    module = model.get_input_embeddings()
    weight: torch.Tensor = getattr(module, "original_module", module).weight
    return weight


def head_names(model: PreTrainedModel) -> list[str]:
    """Names of the embedding and head modules, as PEFT's `modules_to_save` wants them.

    Raises:
        ModelError: the model has neither, or they are quantized.
    """
    modules = [m for m in (model.get_input_embeddings(), model.get_output_embeddings()) if m is not None]
    names = {id(module): name for name, module in model.named_modules()}
    found = [names[id(module)] for module in modules if id(module) in names]
    if not found:
        raise ModelError(
            "Train Head is on, but this model names no embeddings or head; turn it off.",
            option="--set train_head=off",
            setting="train_head",
        )
    for module in modules:
        if not module.weight.is_floating_point():
            raise ModelError(
                f"Train Head is on, but the {type(module).__name__} of this model is quantized, which can't be "
                "trained; turn it off, or load the model without quantizing its head.",
                option="--set train_head=off",
                setting="train_head",
            )
    return [_short(name, model) for name in dict.fromkeys(found)]


def _short(name: str, model: nn.Module) -> str:
    """The last part, if it means this module alone."""
    last = name.rsplit(".", 1)[-1]
    meant = [other for other, _ in model.named_modules() if other.rsplit(".", 1)[-1] == last]
    return last if meant == [name] else name


@contextmanager
def peft_tying_unasked() -> Iterator[None]:
    """PEFT warns that it does not tie; `make_ready` does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*tie_word_embeddings.*")
        yield


def make_ready(wrapped: PeftModel, base: PreTrainedModel, tied: bool) -> None:
    """Tie the copies if the originals are tied, and hold them in float32."""
    embeddings, head = _copy_of(base.get_input_embeddings()), _copy_of(base.get_output_embeddings())
    if tied and embeddings is not None and head is not None:
        head.weight = embeddings.weight
    if embeddings is not None:
        embeddings.register_forward_hook(_OutputAs(embeddings.weight.dtype))
    if head is not None:
        head.forward = _InFloat32(head.forward)
    for copy in (embeddings, head):
        for parameter in copy.parameters() if copy is not None else ():
            parameter.data = parameter.data.float()


def _copy_of(module: Any) -> Any:
    """The trained copy inside PEFT's wrapper, or None for a module that is not wrapped."""
    copies = getattr(module, "modules_to_save", None)
    return next(iter(copies.values())) if copies else None


class _OutputAs:
    """A forward hook: the embeddings' output in the dtype the layers were loaded in."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype

    def __call__(self, module: nn.Module, given: Any, output: torch.Tensor) -> torch.Tensor:
        return output.to(self._dtype)


class _InFloat32:
    """In place of a head's forward: the same in float32, whatever the run computes in. Autocast would hold the whole
    head a second time in half precision, and its gradient too."""

    def __init__(self, forward: Callable[..., torch.Tensor]) -> None:
        self._forward = forward

    def __call__(self, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            return self._forward(hidden.float(), *args, **kwargs)
