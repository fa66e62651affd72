"""Lets the LoRA answer the sample prompts while it is trained: at the start, every n updates, on request, at the end.

Costs one generated answer each time, some seconds; weights, mode and random state stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training_pro.record.history import Event, History
from training_pro.settings import Settings, sample_prompts
from training_pro.training.answering import Manner, answer
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.noise import Uncertainty, is_noise, repetition
from training_pro.training.controls import Controls

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NOISE = "The answers to the sample prompts have become noise"
_LESS = "Stop the run, and start it again with a lower Learning Rate (1e-4 to 3e-4 is usual) or fewer epochs."


@dataclass(frozen=True)
class Said:
    """An answer, how many tokens it has, how far it repeats itself (share), and how uncertain the model was (nats)."""

    text: str
    tokens: int = 0
    repetition: float = 0.0
    entropy: float = 0.0

    def measures(self) -> dict[str, Any]:
        return {"tokens": self.tokens, "repetition": round(self.repetition, 3), "entropy": round(self.entropy, 3)}


Answer = Callable[[Any, str], Said]


class SampleAnswers(Behaviour):
    """Each answer is an event of the history: {"kind": "sample", "details": {"prompt", "answer", "repetition",
    "entropy", "tokens"}}.

    Warns once when at least half of the answers to the sample prompts have been noise twice in a row. `verdict` says so
    of the last ones. `answer(model, prompt)` must leave random state and mode as they were.
    """

    dispensable = "answering the sample prompts"

    def __init__(
        self,
        settings: Settings,
        controls: Controls,
        history: History,
        answer: Answer,
        on_warning: Callable[[str], None],
    ) -> None:
        self._on_warning = on_warning
        self._before: dict[str, dict[str, Any]] = {}
        self._noisy = 0  # samplings in a row
        self._warned = False
        self.verdict = ""
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
        answered = self._answer_all(self._prompts)
        if self.trainer.update == 0:
            self._before = answered
        elif len(answered) == len(set(self._prompts)):
            self._look_for_noise(answered)

    def _answer_all(self, prompts: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The measures of each prompt's answer."""
        answered: dict[str, dict[str, Any]] = {}
        for prompt in prompts:
            if self._controls.interrupt_reason:
                return answered
            said = self._answer(self.trainer.model, prompt)
            answered[prompt] = said.measures()
            details = {"prompt": prompt, "answer": said.text, **said.measures()}
            self._history.add_event(Event("sample", self.trainer.update, "", details))
        return answered

    def _look_for_noise(self, answered: dict[str, dict[str, Any]]) -> None:
        noisy = [now for prompt, now in answered.items() if is_noise(now, self._before.get(prompt))]
        self.verdict = ""
        if not noisy or 2 * len(noisy) < len(answered):
            self._noisy = 0
            return
        self._noisy += 1
        last = self.trainer.update >= self.trainer.total_updates or self.trainer.stopping
        worst = max(noisy, key=lambda measures: measures["repetition"])
        self.verdict = (
            f"{NOISE}: {len(noisy)} of {len(answered)} at update {self.trainer.update:,} (repeated "
            f"{100 * worst['repetition']:.0f} %, uncertainty {worst['entropy']:.1f} nats a token)."
        )
        if not self._warned and (self._noisy >= 2 or last):
            self._warned = True
            self._on_warning(f"{self.verdict} {_LESS}")

    def state(self) -> dict[str, Any]:
        return {"before": self._before, "noisy": self._noisy, "warned": self._warned, "verdict": self.verdict}

    def restore(self, values: dict[str, Any]) -> None:
        self._before, self._noisy = dict(values["before"]), int(values["noisy"])
        self._warned, self.verdict = bool(values["warned"]), str(values["verdict"])


def measured_answer(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompt: str, max_new_tokens: int, stop: Callable[[], bool]
) -> Said:
    """The likeliest answer to `prompt`, with what tells whether it is noise. `stop` is asked before each token."""
    uncertainty = Uncertainty()
    made = answer(model, tokenizer, prompt, Manner(max_new_tokens, stop=stop), [uncertainty])
    return Said(made.text, made.tokens, repetition(made.ids), uncertainty.mean_nats)
