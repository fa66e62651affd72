"""The rows of new words in a loaded model: made where they lack, trained alone, in the short way.

Where the model has no row for a word, the embeddings (and the head) are made longer for the run, which a snapshot
undoes. PEFT trains the rows (`trainable_token_indices`), but its way through them copies the whole matrix in each
forward pass and makes a gradient for all of it in each backward pass. Here the frozen matrix is used as it is and the
trained rows are put in: the same numbers, at the cost of a few rows. They are held in float32, in which small steps
don't round to nothing.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from training_pro.errors import ModelError
from training_pro.training.model import heads
from training_pro.training.model.new_words import NO_NEW_WORDS, NewWords
from training_pro.words import size_words

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_FLOAT32_BYTES = 4


def lengthen(model: PreTrainedModel, rows: int) -> bool:
    """Give the embeddings, and the head, at least so many rows; whether they had fewer. To be undone by a snapshot.

    Raises:
        ModelError: they are quantized.
    """
    weight = model.get_input_embeddings().weight
    if int(weight.shape[0]) >= rows:
        return False
    check_plain(model)
    model.resize_token_embeddings(rows, mean_resizing=False)
    return True


def check_plain(model: PreTrainedModel) -> None:
    """Raises:
    ModelError: rows of the embeddings or of the head can't be trained.
    """
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):
        if module is None:
            continue
        if not module.weight.is_floating_point():
            raise _refused(f"the {type(module).__name__} of this model is quantized, and its rows can't be trained")
        if getattr(module, "bias", None) is not None:
            raise _refused("the head of this model has a bias, which PEFT leaves out with trained words")


def _refused(why: str) -> ModelError:
    return ModelError(
        f"New words are given, but {why}. Leave New words empty, or choose another model.",
        option=NO_NEW_WORDS,
        setting="new_words",
    )


def indices_for(model: PreTrainedModel, words: NewWords) -> dict[str, list[int]] | None:
    """PEFT's `trainable_token_indices`: the rows of the embeddings, and of a head that is not tied to them."""
    if not words:
        return None
    check_plain(model)
    names = heads.head_names(model)
    if heads.is_tied(model) or len(names) == 1:
        names = names[:1]
    return {name: list(words.ids) for name in names}


def make_rows_ready(wrapped: PeftModel, base: PreTrainedModel, words: NewWords) -> str:
    """Give new words the mean of their pieces, hold the rows in float32, and take the short way through them.

    A sentence on what learns, for people.

    Raises:
        ModelError: PEFT has wrapped something else than the embeddings and the head.
    """
    adapters = _token_adapters(base)
    if not adapters:
        raise _refused("PEFT can't train single rows of this model's embeddings")
    seen: set[int] = set()
    for adapter in adapters:
        (name,) = adapter.trainable_tokens_delta.keys()
        rows = adapter.trainable_tokens_delta[name]
        if id(rows) not in seen:
            seen.add(id(rows))
            rows.data = _first_values(adapter.get_base_layer().weight, words).to(rows.device)
        is_head = not isinstance(adapter.get_base_layer(), nn.Embedding)
        short = _HeadRows if is_head or adapter.tied_adapter is not None else _EmbeddingRows
        adapter.forward = short(adapter, name, words.ids)
    learned = sum(parameter.numel() for key, parameter in wrapped.named_parameters() if "trainable_tokens_delta" in key)
    return _note(base, words, learned)


def _token_adapters(base: PreTrainedModel) -> list[Any]:
    found = [
        getattr(module, "token_adapter", None) for module in (base.get_input_embeddings(), base.get_output_embeddings())
    ]
    expected = 1 if base.get_output_embeddings() is None else 2
    return [adapter for adapter in found if adapter is not None] if None not in found[:expected] else []


def _first_values(weight: torch.Tensor, words: NewWords) -> torch.Tensor:
    """The rows of these tokens, float32; of added ones the mean of the rows of their pieces."""
    values = weight.detach()[list(words.ids)].float()
    for place, number in enumerate(words.ids):
        if number in words.pieces:
            values[place] = weight.detach()[list(words.pieces[number])].float().mean(dim=0)
    return values


def _note(base: PreTrainedModel, words: NewWords, learned: int) -> str:
    head = sum(module.weight.numel() for module in {id(m.weight): m for m in _bare_heads(base)}.values())
    return (
        f"{len(words.words)} new words: {len(words.pieces)} get a token of their own, {len(words.ids)} rows of the "
        f"embeddings learn ({size_words(learned * _FLOAT32_BYTES)}; Train Head: {size_words(head * _FLOAT32_BYTES)})."
    )


def _bare_heads(base: PreTrainedModel) -> list[Any]:
    modules = (base.get_input_embeddings(), base.get_output_embeddings())
    return [module.token_adapter.get_base_layer() for module in modules if hasattr(module, "token_adapter")]


class _Rows:
    """In place of PEFT's forward of a token adapter: the frozen layer, with the trained rows put in."""

    def __init__(self, adapter: Any, name: str, ids: Sequence[int]) -> None:
        self._own = types.MethodType(type(adapter).forward, adapter)
        self._adapter = adapter
        self._name = name
        self._ids = torch.tensor(list(ids), device=adapter.get_base_layer().weight.device)

    @property
    def _rows(self) -> torch.Tensor:
        rows: torch.Tensor = self._adapter.trainable_tokens_delta[self._name]
        return rows

    @property
    def _off(self) -> bool:
        adapter = self._adapter
        return bool(adapter.disable_adapters or adapter.merged or self._name not in adapter.active_adapters)


class _EmbeddingRows(_Rows):
    def __call__(self, ids: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """(batch, time) to (batch, time, width)."""
        if self._off:
            return self._own(ids, *args, **kwargs)
        found: torch.Tensor = self._adapter.base_layer(ids)
        place = torch.searchsorted(self._ids, ids).clamp(max=len(self._ids) - 1)
        trained = functional.embedding(place, self._rows)
        scale = self._adapter._get_embed_scale()
        trained = trained.to(found.dtype)
        trained = trained if scale is None else trained * scale.to(found.dtype)
        return torch.where((self._ids[place] == ids)[..., None], trained, found)


class _HeadRows(_Rows):
    def __call__(self, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """(..., width) to (..., words)."""
        if self._off:
            return self._own(hidden, *args, **kwargs)
        layer = self._adapter.base_layer
        logits = functional.linear(hidden, layer.weight.to(hidden.dtype))
        trained = functional.linear(hidden, self._rows.to(hidden.dtype))
        return logits.index_copy(-1, self._ids, trained.to(logits.dtype))
