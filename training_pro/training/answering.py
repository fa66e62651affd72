"""Lets a model continue one prompt or several, as it is: its mode and the random state are afterwards what they were.

Costs one generated answer: some seconds. Several at once cost little more than one on a card, and save a third on a
processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """An answer, and its tokens."""

    text: str
    ids: list[int]

    @property
    def tokens(self) -> int:
        return len(self.ids)


def answer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    manner: Manner,
    processors: Sequence[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = (),
) -> Written:
    """The continuation of `prompt` by the model with its LoRA as it is.

    `processors` are shown the logits before each token. Of a prompt that leaves no room in the model's context the end
    is taken.
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
                logits_processor=list(processors),
                pad_token_id=_pad(tokenizer),
                streamer=heard if manner.hear is not _nobody else None,
                **_drawing(manner),
                **_stopping(manner, tokenizer),
            )
    finally:
        model.train(training)
        random_state.restore()
    new = made[0, ids.shape[1] :]
    return Written(_without_stop(str(tokenizer.decode(new, skip_special_tokens=True)), manner), new.tolist())


def answers(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
    done: Callable[[str], bool],
    stop: Callable[[], bool],
) -> list[str]:
    """The likeliest continuation of each prompt, which is whole text with its control tokens; one string a prompt.

    `done(text so far)` ends one answer, `stop()` all of them, asked before each token. Of a prompt that leaves no room
    in the model's context the end is taken.
    """
    random_state, training = RandomState.take(), model.training
    model.eval()
    ids, mask = _padded(model, tokenizer, prompts, max_new_tokens)
    ended = _Ended(tokenizer, ids.shape[1], done, stop)
    try:
        with torch.no_grad():
            made = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                use_cache=True,
                stopping_criteria=[ended],
                pad_token_id=_pad(tokenizer),
            )
    finally:
        model.train(training)
        random_state.restore()
    return [str(text) for text in tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)]


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


class _Ended:
    """A stopping criterion that looks at the text of each answer."""

    def __init__(self, tokenizer: Any, start: int, done: Callable[[str], bool], stop: Callable[[], bool]) -> None:
        self._tokenizer = tokenizer
        self._start = start
        self._done = done
        self._stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        if self._stop():
            return torch.ones(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)
        texts = self._tokenizer.batch_decode(input_ids[:, self._start :], skip_special_tokens=True)
        return torch.tensor([self._done(text) for text in texts], dtype=torch.bool, device=input_ids.device)


def _padded(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], max_new_tokens: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """ids and attention mask (prompts, longest), padded on the left."""
    room = _room_tokens(model, max_new_tokens)
    rows = [tokenizer(prompt, add_special_tokens=False)["input_ids"][-room:] for prompt in prompts]
    longest, pad = max(map(len, rows)), _pad(tokenizer)
    device = model.get_input_embeddings().weight.device
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def _room_tokens(model: Any, max_new_tokens: int) -> int:
    """How many tokens of a prompt fit before the answer; at least one."""
    limit = whole_number_of(text_config(model), "max_position_embeddings", "n_positions") or _NO_LIMIT_TOKENS
    return max(1, limit - max_new_tokens)


def _pad(tokenizer: PreTrainedTokenizerBase) -> int:
    chosen = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(chosen) if chosen is not None else 0
