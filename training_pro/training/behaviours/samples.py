"""Lets the LoRA answer the sample prompts while it is trained: at the start, every n updates, on request, at the end.

Costs one generated answer each time, some seconds; weights, mode and random state stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch

from training_pro.record.history import Event, History
from training_pro.settings import Settings, sample_prompts
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.controls import Controls
from training_pro.training.loop.random_state import RandomState
from training_pro.training.model.config import text_config, whole_number_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REPETITION_PENALTY = 1.15  # Keskar et al., 2019; without it small models say one sentence again and again
_NO_LIMIT_TOKENS = 1 << 30

Answer = Callable[[Any, str], str]


class SampleAnswers(Behaviour):
    """Each answer is an event of the history: {"kind": "sample", "details": {"prompt", "answer"}}.

    `answer(model, prompt)` must leave random state and mode as they were.
    """

    dispensable = "answering the sample prompts"

    def __init__(self, settings: Settings, controls: Controls, history: History, answer: Answer) -> None:
        self._prompts = sample_prompts(settings)
        self._every = settings.sample_steps
        self._controls = controls
        self._history = history
        self._answer = answer
        self._last_at = -1

    def on_run_begin(self) -> None:
        if self.trainer.update == 0:
            self._sample()

    def after_update(self) -> None:
        if self._every > 0 and self.trainer.update % self._every == 0:
            self._sample()
        self.while_paused()

    def while_paused(self) -> None:
        if self._controls.take_sample_request():
            self._sample()
        self._answer_all(self._controls.take_prompts())

    def after_evaluation(self, loss: float) -> None:
        if self._every == 0:
            self._sample()

    def on_run_end(self) -> None:
        self._sample()

    def _sample(self) -> None:
        """Answer all sample prompts, once an update."""
        if self.trainer.update == self._last_at:
            return
        self._last_at = self.trainer.update
        self._answer_all(self._prompts)

    def _answer_all(self, prompts: Iterable[str]) -> None:
        for prompt in prompts:
            if self._controls.interrupt_reason:
                return
            details = {"prompt": prompt, "answer": self._answer(self.trainer.model, prompt)}
            self._history.add_event(Event("sample", self.trainer.update, "", details))


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
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][:, -room_tokens(model, max_new_tokens) :].to(device)
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
                pad_token_id=pad_of(tokenizer),
            )
    finally:
        model.train(training)
        random_state.restore()
    return str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))


def room_tokens(model: Any, max_new_tokens: int) -> int:
    """How many tokens of a prompt fit before the answer; at least one."""
    limit = whole_number_of(text_config(model), "max_position_embeddings", "n_positions") or _NO_LIMIT_TOKENS
    return max(1, limit - max_new_tokens)


def pad_of(tokenizer: PreTrainedTokenizerBase) -> int:
    chosen = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(chosen) if chosen is not None else 0
