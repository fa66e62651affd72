"""The loss of a causal language model without ever holding all its logits.

At 8 x 512 tokens and 49k words the logits alone take 0.8 GB in fp32, and the stock loss keeps several copies.
Here the head and the cross entropy run over `chunk_tokens` trained tokens at a time; a chunk's gradient is taken
while its logits are at hand, so nothing is computed twice and nothing large is kept. Untrained tokens (label
-100) never reach the head.

Any head goes: it is the model's own way from hidden states to logits (see `training_pro.training.model.head_path`),
with all soft caps and scalings, LoRA on it, trained copies, quantized ones. Gradients of a trained head are added up
over the chunks. Equal to the stock loss; checked on the loaded model before use.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from training_pro.errors import ModelError
from training_pro.training.memory.out_of_memory import is_out_of_memory
from training_pro.training.model.config import text_config, value_of, whole_number_of
from training_pro.training.model.head_path import HeadPath, Output, head_paths
from training_pro.words import reason_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNK_TOKENS = 256
_FEWEST_TOKENS = 32  # fewer would leave a card waiting for the head's weights
_MOST_LOGITS = 1 << 24  # 64 MiB in float32, of which a chunk needs some four
IGNORED = -100
_PROBE_TOKENS = 12
_SAME = 1e-4  # nats a token, in float32
Head = Callable[[torch.Tensor], torch.Tensor]
ROUTER_NOTE = (
    "The balancing loss of this mixture's routers is left out of the loss, here and in what is shown: routers are not "
    "trained."
)
OWN_LOSS_NOTE = "This model computes its own loss: more memory is needed than usual."


def chunk_tokens(vocabulary: int) -> int:
    """How many tokens' logits are computed at once: 256, and fewer where the vocabulary is large."""
    return max(_FEWEST_TOKENS, min(CHUNK_TOKENS, _MOST_LOGITS // max(vocabulary, 1) // 32 * 32))


def _chunk_loss(head: Head, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Summed, where `hidden` is. The head may be on another card: one that is the embeddings is on the first."""
    logits = head(hidden)
    loss = functional.cross_entropy(logits.float(), labels.to(logits.device), reduction="sum")
    return loss.to(hidden.device)


class _ChunkedLoss(torch.autograd.Function):
    """Sum of the cross entropies, `chunk` tokens at a time; hidden (n, d), labels (n,), then the head's trained
    parameters."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, labels: torch.Tensor, head: Head, chunk: int, *parameters: torch.Tensor
    ) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        hidden_grad = torch.empty_like(hidden)
        sums: list[torch.Tensor | None] = [None] * len(parameters)
        for piece in _pieces(hidden.shape[0], chunk):
            part = hidden[piece].detach().requires_grad_(True)
            with torch.enable_grad():
                loss = _chunk_loss(head, part, labels[piece])
                with torch.autocast(hidden.device.type, enabled=False):  # else a head in float32 would be cast for it
                    grads = torch.autograd.grad(loss, (part, *parameters), allow_unused=True)
            total += loss.detach()
            hidden_grad[piece] = 0 if grads[0] is None else grads[0]
            sums = [_added(one, grad) for one, grad in zip(sums, grads[1:], strict=True)]
            del grads  # else they would be kept beside the next chunk's
        ctx.save_for_backward(
            hidden_grad, *[torch.zeros_like(p) if s is None else s for s, p in zip(sums, parameters, strict=True)]
        )
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scale = grad_outputs[0]
        hidden_grad, *sums = ctx.saved_tensors
        return (_scaled(hidden_grad, scale), None, None, None, *[_scaled(s, scale) for s in sums])


def _added(one: torch.Tensor | None, other: torch.Tensor | None) -> torch.Tensor | None:
    """In place: a trained head's gradient has as many numbers as the head."""
    return other if one is None else one if other is None else one.add_(other)


def _scaled(grad: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """grad x scale, multiplied in float32 a piece at a time: in half precision 1 / count would itself be rounded.
    A gradient in float32, which is nobody else's, changes in place."""
    if grad.dtype == torch.float32:
        return grad.mul_(scale)
    result = torch.empty_like(grad)
    for piece in _pieces(grad.shape[0], CHUNK_TOKENS):
        result[piece] = grad[piece].float() * scale
    return result


def _pieces(count: int, chunk: int) -> Iterator[slice]:
    for start in range(0, count, chunk):
        yield slice(start, min(start + chunk, count))


def chunked_loss_sum(
    hidden: torch.Tensor,
    labels: torch.Tensor,
    head: Head,
    parameters: list[nn.Parameter],
    trained_at: torch.Tensor | None = None,
    chunk: int = CHUNK_TOKENS,
) -> torch.Tensor:
    """The summed cross entropy of the trained tokens, in nats, fp32.

    `hidden` (batch, time, d) are the head's inputs; `labels` (batch, time) with -100 where no loss is wanted;
    position t predicts label t + 1; `parameters` are the head's trained ones, [] for a frozen head. `trained_at` (n,)
    are the places in labels' rows, one after the other, that hold trained tokens; a card need not wait for them to be
    counted where the caller knows them. `chunk`: of how many tokens logits are computed at once.
    """
    flat = labels.reshape(-1)
    if trained_at is None:
        trained_at = functional.pad(labels[:, 1:] != IGNORED, (1, 0)).reshape(-1).nonzero()[:, 0]
    inputs = hidden.reshape(-1, hidden.shape[-1]).index_select(0, trained_at - 1)
    targets = flat.index_select(0, trained_at)
    if not torch.is_grad_enabled():
        zero = torch.zeros((), dtype=torch.float32, device=hidden.device)
        return sum((_chunk_loss(head, inputs[p], targets[p]) for p in _pieces(len(inputs), chunk)), zero)
    result: torch.Tensor = _ChunkedLoss.apply(inputs, targets, head, chunk, *parameters)
    return result


@dataclass(frozen=True)
class LossForward:
    """Whether the loss is computed in chunks, and notes for the person."""

    chunked: bool
    notes: tuple[str, ...] = ()


def make_lean(model: PreTrainedModel, *, may_chunk: bool = True) -> LossForward:
    """Give `model` a `forward` that computes the loss as training wants it.

    With `labels` the loss is the sum over the trained tokens divided by `num_items_in_batch` (their number, where
    that is not given). Without labels nothing changes; with an empty batch the loss is 0 and reaches every trained
    parameter. The balancing loss of routers is switched off. The instance is patched (not the class), below any PEFT or
    DDP wrapper and below accelerate's hooks, so that their own forwards still run: going around DDP would leave
    gradients unsynchronised. A model whose loss is more than the cross entropy of its logits is found by comparing both
    on a few tokens; it keeps its own loss, as it does without `may_chunk`. To be undone by a snapshot.

    Raises:
        ModelError: the model can't compute a loss from text alone.
    """
    notes = (ROUTER_NOTE,) if _switch_router_loss_off(model) else ()
    place = "_old_forward" if "_old_forward" in vars(model) else "forward"
    own = getattr(model, place)
    found = _path_that_fits(model, own) if may_chunk else None
    path, vocabulary = found or (None, 0)
    setattr(model, place, types.MethodType(_signed(_lean_forward(own, path, vocabulary), own), model))
    _check_trainable(model)
    return LossForward(True, notes) if path is not None else LossForward(False, (*notes, OWN_LOSS_NOTE))


def _switch_router_loss_off(model: PreTrainedModel) -> bool:
    """Whether the model would have added the routers' loss to its own."""
    configs = {id(config): config for config in (value_of(model, "config"), text_config(model)) if config is not None}
    on = [config for config in configs.values() if value_of(config, "output_router_logits") is True]
    for config in on:
        config.output_router_logits = False
    return bool(on)


def _signed(forward: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    """`forward` with the signature of `own`, which transformers' `generate` reads to know what it may pass."""
    signature = inspect.signature(own)
    model = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    rest = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    rest = [
        parameter.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        else parameter
        for parameter in rest
    ]
    forward.__signature__ = signature.replace(parameters=[model, *rest])  # type: ignore[attr-defined]  # as any function
    return forward


def _path_that_fits(model: PreTrainedModel, own: Callable[..., Any]) -> tuple[HeadPath, int] | None:
    """The way from hidden states to logits that gives the model's own logits and loss on a few tokens, and how many
    logits a token has."""
    ids = _probe_ids(model)
    with _evaluating(model):
        try:
            stock = own(input_ids=ids, labels=ids, use_cache=False)
            logits, loss = stock.logits.float(), float(stock.loss)
        except _CANT as error:
            _pass_on_want_of_memory(error)
            return None
        for path in head_paths(model, own):
            try:
                hidden = path.hidden_states(input_ids=ids)
                found = path.head(hidden[0])
            except _CANT as error:
                _pass_on_want_of_memory(error)
                continue
            if found.shape == logits[0].shape and _same_loss(found.float(), logits[0], ids[0], loss):
                return path, int(found.shape[-1])
    return None


def _pass_on_want_of_memory(error: Exception) -> None:
    """That memory ran out says nothing of the model, which would otherwise be trained with all its logits."""
    if is_out_of_memory(error):
        raise error


_CANT = (TypeError, AttributeError, ValueError, NotImplementedError, RuntimeError, LookupError, AssertionError)


def _same_loss(found: torch.Tensor, logits: torch.Tensor, ids: torch.Tensor, loss: float) -> bool:
    """Token by token, and their mean against the model's own loss; half precision rounds each logit."""
    wanted, ours = _token_losses(logits, ids), _token_losses(found, ids)
    rounding = 4 * float(torch.finfo(found.dtype).eps) * float(logits.abs().max())
    token = max(_SAME, rounding if found.dtype != torch.float32 else 0.0)
    close = bool(((ours - wanted).abs() <= token * wanted.abs().clamp(min=1.0)).all())
    return close and abs(float(ours.mean()) - loss) <= token * max(1.0, abs(loss))


def _token_losses(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Of a model that is spread over several cards the logits are on another one than the tokens."""
    return functional.cross_entropy(logits[:-1], ids[1:].to(logits.device), reduction="none")


def _probe_ids(model: PreTrainedModel) -> torch.Tensor:
    weight = model.get_input_embeddings().weight
    words = whole_number_of(text_config(model), "vocab_size") or int(weight.shape[0])
    return torch.arange(5, 5 + _PROBE_TOKENS, device=weight.device)[None] % words


def _check_trainable(model: PreTrainedModel) -> None:
    """Raises: ModelError: the model wants more than text while it trains (some need images or marks of their own)."""
    ids = _probe_ids(model)
    was = model.training
    model.train()
    try:
        with torch.no_grad():
            model(input_ids=ids, labels=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    except _CANT as error:
        _pass_on_want_of_memory(error)
        reason = reason_of(error)
        raise ModelError(
            f"{type(model).__name__} can't be trained on text alone ({type(error).__name__}: {reason}); choose another "
            "model."
        ) from error
    finally:
        model.train(was)


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def _lean_forward(own: Callable[..., Any], path: HeadPath | None, vocabulary: int) -> Callable[..., Any]:
    """A forward with the loss as training wants it: in chunks along `path`, or by the model's `own` forward."""
    chunk = chunk_tokens(vocabulary) if path is not None else 0

    def forward(
        self: PreTrainedModel,
        input_ids: torch.Tensor | None = None,
        *positional: Any,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | float | None = None,
        trained_at: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        if labels is None:
            return own(input_ids, *positional, **kwargs)
        if not labels.numel():
            return Output(loss=_no_loss(self))
        if path is None:
            count = trained_at.numel() if trained_at is not None else _count(labels)
            return _weighted(own(input_ids=input_ids, labels=labels, **kwargs), count, num_items_in_batch)
        kwargs.pop("return_dict", None)
        hidden = path.hidden_states(input_ids=input_ids, **kwargs)
        places = trained_at.to(hidden.device) if trained_at is not None else None
        total = chunked_loss_sum(hidden, labels.to(hidden.device), path.head, path.trained_parameters(), places, chunk)
        return Output(loss=total / (num_items_in_batch or max(1, _count(labels))))

    return forward


def _weighted(output: Any, count: int, num_items_in_batch: torch.Tensor | float | None) -> Any:
    """The model's own mean loss, weighted by its `count` trained tokens: some models know nothing of
    `num_items_in_batch`."""
    if count:
        output.loss = output.loss.float() * (count / (num_items_in_batch or count))
    else:
        output.loss = output.logits.float().sum() * 0.0
    return output


def _no_loss(model: PreTrainedModel) -> torch.Tensor:
    """Zero, with a gradient of zeros for every trained parameter of `model`."""
    trained = [p for p in model.parameters() if p.requires_grad]
    zero = torch.zeros((), dtype=torch.float32, device=model.get_input_embeddings().weight.device)
    return sum((p.sum().to(zero) * 0.0 for p in trained), zero)


def _count(labels: torch.Tensor) -> int:
    return int((labels[:, 1:] != IGNORED).sum())
