"""Lets a model continue a prompt, as it is: its mode and the random state are afterwards what they were.

Costs one generated answer: some seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers.generation.streamers import TextStreamer

from training_pro.training.loop.random_state import RandomState
from training_pro.training.model.config import text_config, whole_number_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REPETITION_PENALTY = 1.15  # Keskar et al., 2019; without it small models say one sentence again and again
_NO_LIMIT_TOKENS = 1 << 30


def _never() -> bool:
    return False


def _nobody(words: str) -> None:
    pass


@dataclass(frozen=True)
class Manner:
    """How an answer is made. `temperature` 0: the likeliest answer, whatever `top_p` and `seed` are.

    `stop_strings` end the answer and are not part of it; `stop` is asked before each token: the answer ends there.
    `hear` gets the answer's words as they come.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = REPETITION_PENALTY
    seed: int = 0
    stop_strings: tuple[str, ...] = ()
    stop: Callable[[], bool] = _never
    hear: Callable[[str], None] = _nobody


@dataclass(frozen=True)
class Written:
    """An answer, and how many tokens it took."""

    text: str
    tokens: int


def write(model: Any, tokenizer: PreTrainedTokenizerBase, prompt: str, manner: Manner) -> Written:
    """The continuation of `prompt` by the model with its LoRA as it is.

    Of a prompt that leaves no room in the model's context the end is taken.
    """
    random_state = RandomState.take()
    training = model.training
    model.eval()
    device = model.get_input_embeddings().weight.device
    room = _room_tokens(model, manner.max_new_tokens)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][:, -room:].to(device)
    heard = _Heard(tokenizer, manner.hear)
    try:
        torch.manual_seed(manner.seed)
        with torch.no_grad():
            made = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=manner.max_new_tokens,
                repetition_penalty=manner.repetition_penalty,
                use_cache=True,
                stopping_criteria=[_Asked(manner.stop)],
                pad_token_id=_pad(tokenizer),
                streamer=heard if manner.hear is not _nobody else None,
                **_drawing(manner),
                **_stopping(manner, tokenizer),
            )
    finally:
        model.train(training)
        random_state.restore()
    new = made[0, ids.shape[1] :]
    return Written(_without_stop(str(tokenizer.decode(new, skip_special_tokens=True)), manner), len(new))


def _drawing(manner: Manner) -> dict[str, Any]:
    if manner.temperature <= 0:
        return {"do_sample": False}
    return {"do_sample": True, "temperature": manner.temperature, "top_p": manner.top_p, "top_k": 0}


def _stopping(manner: Manner, tokenizer: Any) -> dict[str, Any]:
    return {"stop_strings": list(manner.stop_strings), "tokenizer": tokenizer} if manner.stop_strings else {}


def _without_stop(text: str, manner: Manner) -> str:
    ends = [place for stop in manner.stop_strings if (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


class _Heard(TextStreamer):
    """Gives each piece of the answer to `hear`, in whole characters."""

    def __init__(self, tokenizer: Any, hear: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._hear = hear

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self._hear(text)


class _Asked:
    """A stopping criterion: ends each sequence as soon as `stop()` says so."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._stop(), dtype=torch.bool, device=input_ids.device)


def _room_tokens(model: Any, max_new_tokens: int) -> int:
    """How many tokens of a prompt fit before the answer; at least one."""
    limit = whole_number_of(text_config(model), "max_position_embeddings", "n_positions") or _NO_LIMIT_TOKENS
    return max(1, limit - max_new_tokens)


def _pad(tokenizer: PreTrainedTokenizerBase) -> int:
    chosen = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(chosen) if chosen is not None else 0
