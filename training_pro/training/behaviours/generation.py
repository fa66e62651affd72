"""An answer from a model in training, always the same to the same, which leaves the training as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from training_pro.training.loop.random_state import RandomState

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


REPETITION_PENALTY = 1.15  # Keskar et al., 2019; without it small models say one sentence again and again


class _Asked:
    """A stopping criterion: ends each sequence as soon as `stop()` says so."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._stop(), dtype=torch.bool, device=input_ids.device)


def _never() -> bool:
    return False


def answer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    max_new_tokens: int,
    stop: Callable[[], bool] = _never,
) -> str:
    """The continuation of `prompt` by the model with its LoRA as it is; mode and random state are kept.

    It is the likeliest one, tokens that were there before being made less likely.

    `stop` is asked before each token: the answer ends there. Of a prompt that leaves no room in the model's context
    the end is taken.
    """
    random_state = RandomState.take()
    training = model.training
    model.eval()
    device = model.get_input_embeddings().weight.device
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][:, -_room_tokens(model, max_new_tokens) :].to(device)
    try:
        with torch.no_grad():
            made = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                repetition_penalty=REPETITION_PENALTY,
                use_cache=True,
                stopping_criteria=[_Asked(stop)],
                pad_token_id=_pad(tokenizer),
            )
    finally:
        model.train(training)
        random_state.restore()
    return str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))


def _room_tokens(model: Any, max_new_tokens: int) -> int:
    """How many tokens of a prompt fit before the answer; at least one."""
    context = getattr(model.config, "max_position_embeddings", None) or 1 << 30
    return max(1, int(context) - max_new_tokens)


def _pad(tokenizer: PreTrainedTokenizerBase) -> int:
    chosen = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(chosen) if chosen is not None else 0
