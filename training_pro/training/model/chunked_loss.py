"""The loss of a causal language model without ever holding all its logits.

At 8 x 512 tokens and 49k words the logits alone take 0.8 GB in fp32, and the stock loss keeps several copies.
Here the head and the cross entropy run over `CHUNK_TOKENS` trained tokens at a time; a chunk's gradient is taken
while its logits are at hand, so nothing is computed twice and nothing large is kept. Untrained tokens (label
-100) never reach the head.

Any head goes: it is called as the module it is (LoRA on it, trained copies, quantized ones). Gradients of a
trained head are summed up over the chunks. Equal to the stock loss; checked on the loaded model before use.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNK_TOKENS = 256
IGNORED = -100
_SAME_LOSS = 5e-3
Head = Callable[[torch.Tensor], torch.Tensor]


def _chunk_loss(head: Head, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(head(hidden).float(), labels, reduction="sum")


class _ChunkedLoss(torch.autograd.Function):
    """Sum of the cross entropies; hidden (n, d), labels (n,), then the head's trained parameters."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, labels: torch.Tensor, head: Head, *parameters: torch.Tensor
    ) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        hidden_grad = torch.empty_like(hidden)
        sums: list[torch.Tensor | None] = [None] * len(parameters)
        for piece in _pieces(hidden.shape[0]):
            part = hidden[piece].detach().requires_grad_(True)
            with torch.enable_grad():
                loss = _chunk_loss(head, part, labels[piece])
                grads = torch.autograd.grad(loss, (part, *parameters))
            total += loss.detach()
            hidden_grad[piece] = grads[0]
            for i, grad in enumerate(grads[1:]):
                sums[i] = grad if sums[i] is None else sums[i] + grad
        ctx.save_for_backward(
            hidden_grad, *[torch.zeros_like(p) if s is None else s for s, p in zip(sums, parameters, strict=True)]
        )
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scale = grad_outputs[0]
        hidden_grad, *sums = ctx.saved_tensors
        return (_scaled(hidden_grad, scale), None, None, *[_scaled(s, scale) for s in sums])


def _scaled(grad: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """grad x scale, multiplied in float32 a piece at a time: in half precision 1 / count would itself be rounded."""
    if grad.dtype == torch.float32:
        return grad * scale
    result = torch.empty_like(grad)
    for piece in _pieces(grad.shape[0]):
        result[piece] = grad[piece].float() * scale
    return result


def _pieces(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK_TOKENS):
        yield slice(start, min(start + CHUNK_TOKENS, count))


def chunked_loss_sum(
    hidden: torch.Tensor, labels: torch.Tensor, head: Head, parameters: list[nn.Parameter]
) -> torch.Tensor:
    """The summed cross entropy of the trained tokens, in nats, fp32.

    `hidden` (batch, time, d) are the head's inputs; `labels` (batch, time) with -100 where no loss is wanted;
    position t predicts label t + 1; `parameters` are the head's trained ones, [] for a frozen head.
    """
    targets = labels[:, 1:].reshape(-1)
    wanted = targets != IGNORED
    flat = hidden[:, :-1].reshape(-1, hidden.shape[-1])[wanted]
    if not torch.is_grad_enabled():
        zero = torch.zeros((), dtype=torch.float32, device=hidden.device)
        return sum((_chunk_loss(head, flat[p], targets[wanted][p]) for p in _pieces(len(flat))), zero)
    result: torch.Tensor = _ChunkedLoss.apply(flat, targets[wanted], head, *parameters)
    return result


class _Capped(nn.Module):
    """A head with the model's own squashing or scaling of logits after it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self._find = model.get_output_embeddings
        config = model.config.get_text_config()
        self.cap = getattr(config, "final_logit_softcapping", None)
        self.divisor = getattr(config, "logits_scaling", None)
        self.factor = getattr(config, "logit_scale", None)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._find()(hidden)
        if self.cap:
            logits = torch.tanh(logits / self.cap) * self.cap
        if self.divisor:
            logits = logits / self.divisor
        return logits * self.factor if self.factor else logits


def make_lean(model: PreTrainedModel, *, may_chunk: bool = True) -> bool:
    """Give `model` a `forward` that computes the loss as training wants it; whether without all logits.

    With `labels` the loss is the sum over the trained tokens divided by `num_items_in_batch` (their number, where
    that is not given). Without labels nothing changes; with an empty batch the loss is 0 and reaches every trained
    parameter. The instance is patched (not the class), below any PEFT or
    DDP wrapper and below accelerate's hooks, so that their own forwards still run: going around DDP would leave
    gradients unsynchronised. A model whose loss is more than that of head(hidden) is found by comparing both on
    a few tokens; it keeps its own loss, as it does without `may_chunk`. To be undone by a snapshot.
    """
    place = "_old_forward" if "_old_forward" in vars(model) else "forward"
    own = getattr(model, place)
    if may_chunk and _has_plain_shape(model):
        before = _probe_loss(model)
        setattr(model, place, types.MethodType(_lean_forward(own, _Capped(model)), model))
        after = _probe_loss(model)
        if before is not None and after is not None and abs(before - after) <= _SAME_LOSS * max(1.0, abs(before)):
            return True
    setattr(model, place, types.MethodType(_weighted_forward(own), model))
    return False


def _has_plain_shape(model: PreTrainedModel) -> bool:
    body = getattr(model, model.base_model_prefix, None)
    return isinstance(body, nn.Module) and body is not model and model.get_output_embeddings() is not None


def _probe_loss(model: PreTrainedModel) -> float | None:
    """The loss on 12 tokens, or None if the model can't say."""
    device = model.get_input_embeddings().weight.device
    ids = torch.arange(5, 17, device=device)[None] % model.config.get_text_config().vocab_size
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return float(model(input_ids=ids, labels=ids, use_cache=False).loss)
    except (TypeError, AttributeError, ValueError, NotImplementedError, RuntimeError):
        return None
    finally:
        model.train(training)


def _lean_forward(own: Callable[..., Any], head: Head) -> Callable[..., Any]:
    from transformers.modeling_outputs import CausalLMOutputWithPast

    def forward(
        self: PreTrainedModel,
        input_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | float | None = None,
        **kwargs: Any,
    ) -> Any:
        if labels is None:
            return own(input_ids=input_ids, **kwargs)
        if not labels.numel():
            return CausalLMOutputWithPast(loss=_no_loss(self))
        kwargs.pop("return_dict", None)
        body = getattr(self, self.base_model_prefix)
        hidden = body(input_ids=input_ids, **{**kwargs, "use_cache": False})[0]
        trained = [p for p in self.get_output_embeddings().parameters() if p.requires_grad]
        total = chunked_loss_sum(hidden, labels.to(hidden.device), head, trained)
        return CausalLMOutputWithPast(loss=total / (num_items_in_batch or _count(labels)))

    return forward


def _weighted_forward(own: Callable[..., Any]) -> Callable[..., Any]:
    """The model's own mean loss, weighted by its trained tokens: some models know nothing of `num_items_in_batch`."""
    from transformers.modeling_outputs import CausalLMOutputWithPast

    def forward(
        self: PreTrainedModel,
        input_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | float | None = None,
        **kwargs: Any,
    ) -> Any:
        if labels is None:
            return own(input_ids=input_ids, **kwargs)
        if not labels.numel():
            return CausalLMOutputWithPast(loss=_no_loss(self))
        output = own(input_ids=input_ids, labels=labels, **kwargs)
        if not bool((labels[:, 1:] != IGNORED).any()):
            output.loss = output.logits.float().sum() * 0.0
            return output
        count = _count(labels)
        output.loss = output.loss.float() * (count / (num_items_in_batch or count))
        return output

    return forward


def _no_loss(model: PreTrainedModel) -> torch.Tensor:
    """Zero, with a gradient of zeros for every trained parameter of `model`."""
    trained = [p for p in model.parameters() if p.requires_grad]
    zero = torch.zeros((), dtype=torch.float32, device=model.get_input_embeddings().weight.device)
    return sum((p.sum().to(zero) * 0.0 for p in trained), zero)


def _count(labels: torch.Tensor) -> int:
    return max(1, int((labels[:, 1:] != IGNORED).sum()))
