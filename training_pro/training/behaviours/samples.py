"""Has the LoRA, as it is, answer the sample prompts: at the start, now and then, on request and at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from training_pro.training.loop.random_state import RandomState
from training_pro.training.model.config import text_config, whole_number_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

from collections.abc import Iterable

from training_pro.record.history import Event, History
from training_pro.settings import Settings, sample_prompts
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.controls import Controls

Answer = Callable[[Any, str], str]


class SampleAnswers(Behaviour):
    """Each answer is an event of the history: {"kind": "sample", "details": {"prompt", "answer"}}.

    `answer(model, prompt)` must leave random state and mode as they were.
    """

    def __init__(self, settings: Settings, controls: Controls, history: History, answer: Answer) -> None:
        self._prompts = sample_prompts(settings)
        self._every = settings.sample_steps
        self._controls = controls
        self._history = history
        self._answer = answer
        self._last_at = -1

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0:
            self._sample(0, kwargs["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._every > 0 and state.global_step % self._every == 0:
            self._sample(state.global_step, kwargs["model"])
        self.answer_requests(state.global_step, kwargs["model"])

    def answer_requests(self, update: int, model: Any) -> None:
        """What people have asked for since the last time."""
        if self._controls.take_sample_request():
            self._sample(update, model)
        self._answer_all(self._controls.take_prompts(), update, model)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._every == 0:
            self._sample(state.global_step, kwargs["model"])

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._sample(state.global_step, kwargs["model"])

    def _sample(self, update: int, model: Any) -> None:
        if update == self._last_at:
            return
        self._last_at = update
        self._answer_all(self._prompts, update, model)

    def _answer_all(self, prompts: Iterable[str], update: int, model: Any) -> None:
        for prompt in prompts:
            if self._controls.interrupt_reason:
                return
            details = {"prompt": prompt, "answer": self._answer(model, prompt)}
            self._history.add_event(Event("sample", update, "", details))


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
    context = whole_number_of(text_config(model), "max_position_embeddings", "n_positions") or 1 << 30
    return max(1, context - max_new_tokens)


def _pad(tokenizer: PreTrainedTokenizerBase) -> int:
    chosen = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(chosen) if chosen is not None else 0
