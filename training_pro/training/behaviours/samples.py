"""Has the LoRA, as it is, answer the sample prompts: at the start, now and then, on request and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from training_pro.record.history import Event, History
from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.controls import Controls

Answer = Callable[[Any, str], str]


def sample_prompts(settings: Settings) -> list[str]:
    """The prompts, one a line, empty lines left out."""
    return [line.strip() for line in settings.sample_prompts.splitlines() if line.strip()]


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
