"""One question to several voices in a thread of its own: its answers can be read while they are written, and cancelled.

The model is held as in a run, so that nothing else uses it meanwhile. A LoRA is loaded for its answer and its scale
multiplied by the strength; afterwards the host's model is bit for bit what it was. Costs a second or so a LoRA, and its
answer.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from training_pro.asking.framing import Framed, framed, without_second_bos
from training_pro.asking.question import BASE, Question, Voice, check_question
from training_pro.errors import Cancelled, RunError, UserError, explain
from training_pro.hosts.host import Host, LoadedModel, without_loras
from training_pro.hosts.lora_in_use import LoraInUse
from training_pro.record.lora_choices import chosen_lora
from training_pro.record.votes import Tally, Vote, add_vote, read_votes, tallies

logger = logging.getLogger(__name__)

State = Literal["waiting", "writing", "done", "cancelled", "failed"]


@dataclass(frozen=True)
class Answer:
    """What one voice says, as far as it is written; `fault`: why it can't."""

    voice: Voice
    text: str = ""
    state: State = "waiting"
    tokens: int = 0
    seconds: float = 0.0
    fault: str = ""


@dataclass(frozen=True)
class Asked:
    """A question as it is now. Where it is blind, `answers` are in a random order.

    `voted`: a place in `answers`, -1 for no difference, None for no vote yet. `tally` counts all votes between these
    voices once they are revealed. `way` is the form that the prompt was asked in.
    """

    question: Question
    answers: tuple[Answer, ...]
    running: bool = True
    way: str = ""
    fault: str = ""
    voted: int | None = None
    revealed: bool = False
    tally: Tally | None = None

    @property
    def hidden(self) -> bool:
        """Whether it must not be seen whose answer is whose."""
        return self.question.blind and not self.revealed


class AskJob:
    """Guarantees: it ends, and the host then has its model and its LoRA back, or `status.fault` says why not."""

    def __init__(self, host: Host, question: Question) -> None:
        """Raises:
        SettingsError: the question is none.
        """
        check_question(question)
        self._host = host
        voices = list(question.voices)
        if question.blind:
            random.SystemRandom().shuffle(voices)
        self._status = Asked(question, tuple(map(Answer, voices)))
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="asking", daemon=True)

    @property
    def status(self) -> Asked:
        """May be asked for by any thread at any time."""
        return self._status

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """End with the token in progress; what is written stays."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> Asked:
        """Wait until it has ended, at most `seconds`."""
        self._ended.wait(seconds)
        return self._status

    def sentence(self) -> str:
        """The answer to whoever wants the model meanwhile."""
        return "The model is answering a question. Wait until it has finished, or cancel it."

    # -- blind comparisons ----------------------------------------------------------------------------------------

    def vote(self, best: int) -> None:
        """Count one answer as the best, or -1: no difference. The vote is kept with each LoRA's run.

        Raises:
            RunError: not blind, not finished, revealed already, voted already, or the disk refuses.
        """
        with self._lock:
            status = self._status
            if not status.hidden:
                raise RunError("Whose answers these are is known, so there is nothing to count. Ask again, blind.")
            if status.running or status.voted is not None:
                raise RunError("This vote can't be counted now. Wait for all answers; each question counts once.")
            names = tuple(answer.voice.label for answer in status.answers)
            vote = Vote(names, names[best] if best >= 0 else "", status.question.prompt)
            for run in self._runs():
                add_vote(run, vote)
            self._status = replace(status, voted=best)

    def reveal(self) -> None:
        """Show whose answers these are, and the count of all votes between these voices.

        Raises:
            RunError: the kept votes can't be read.
        """
        with self._lock:
            names = {answer.voice.label for answer in self._status.answers}
            runs = self._runs()
            kept = tallies(read_votes(runs[0])) if runs else []
            tally = next((one for one in kept if set(one.voices) == names), None)
            self._status = replace(self._status, revealed=True, tally=tally)

    def _runs(self) -> list[Any]:
        loras = [answer.voice.lora for answer in self._status.answers if answer.voice.lora != BASE]
        return list(dict.fromkeys(chosen_lora(self._host.folders, lora).run for lora in loras))

    # -- the work, in its own thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with without_loras(self._host), self._host.hold(self.sentence):
                loaded = self._host.loaded_model()
                prompt = self._framed(loaded.tokenizer)
                self._set(way=prompt.way)
                for place in range(len(self._status.answers)):
                    self._answer(place, loaded, prompt)
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001 - the thread's last stop: everything becomes a sentence
            self._set(fault=explain(error, "asking the model"))
        self._end()

    def _framed(self, tokenizer: Any) -> Framed:
        question = self._status.question
        if question.framing != "character":
            return framed(question, tokenizer, self._host.folders)
        text, stops = self._host.as_character(question.prompt)
        return Framed(without_second_bos(text, tokenizer), "as the Chat tab's character", stops)

    def _answer(self, place: int, loaded: LoadedModel, prompt: Framed) -> None:
        """One voice's answer; one that can't be given is a sentence in its place, and the others follow."""
        if self._cancelled.is_set():
            raise Cancelled
        self._set_answer(place, state="writing")
        began = time.monotonic()
        try:
            with self._voice(self._status.answers[place].voice, loaded) as (model, tokenizer):
                self._write(place, model, tokenizer, prompt)
        except UserError as error:
            self._set_answer(place, state="failed", fault=str(error))
            return
        state: State = "cancelled" if self._cancelled.is_set() else "done"
        self._set_answer(place, state=state, seconds=time.monotonic() - began)

    @contextmanager
    def _voice(self, voice: Voice, loaded: LoadedModel) -> Iterator[tuple[Any, Any]]:
        """The model as this voice, and the tokenizer, which knows the new words of its LoRA."""
        if voice.lora == BASE:
            yield loaded.model, loaded.tokenizer
            return
        chosen = chosen_lora(self._host.folders, voice.lora)
        on = LoraInUse(loaded.model, chosen.folder, chosen.label)
        try:
            with at_strength(on.model, voice):
                yield on.model, on.tokenizer or loaded.tokenizer
        finally:
            on.remove()

    def _write(self, place: int, model: Any, tokenizer: Any, prompt: Framed) -> None:
        from training_pro.training.answering import Manner, answer

        sampling = self._status.question.sampling
        manner = Manner(
            sampling.tokens,
            sampling.temperature,
            sampling.top_p,
            sampling.repetition_penalty,
            sampling.seed,
            prompt.stops,
            stop=self._cancelled.is_set,
            hear=partial(self._hear, place),
        )
        written = answer(model, tokenizer, prompt.text, manner)
        self._set_answer(place, text=written.text, tokens=written.tokens)

    def _hear(self, place: int, words: str) -> None:
        self._set_answer(place, text=self._status.answers[place].text + words)

    def _set_answer(self, place: int, **changes: Any) -> None:
        with self._lock:
            answers = list(self._status.answers)
            answers[place] = replace(answers[place], **changes)
            self._status = replace(self._status, answers=tuple(answers))

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self._status = replace(self._status, **changes)

    def _end(self) -> None:
        left = {"waiting", "writing"}
        with self._lock:
            answers = tuple(
                replace(one, state="cancelled") if one.state in left else one for one in self._status.answers
            )
            self._status = replace(self._status, answers=answers, running=False)
        self._ended.set()


@contextmanager
def at_strength(model: Any, voice: Voice) -> Iterator[None]:
    """`model` with its LoRA's scale times the strength.

    Raises:
        RunError: the LoRA is more than products of two matrices, which have no scale.
    """
    if voice.strength == 1:
        yield
        return
    from peft.helpers import rescale_adapter_scale

    phrase = _unscalable(model)
    if phrase:
        raise RunError(f"{voice.label}: the LoRA {phrase}, which has no strength. Ask it at strength 1.")
    with rescale_adapter_scale(model, voice.strength):
        yield


def _unscalable(model: Any) -> str:
    config = model.peft_config[model.active_adapter]
    if getattr(config, "use_dora", False):
        return "is a DoRA"
    if getattr(config, "trainable_token_indices", None):
        return "has trained words"
    if getattr(config, "modules_to_save", None):
        return f"has trained {', '.join(map(str, config.modules_to_save))[:80]}"
    if getattr(config, "trainable_token_indices", None):
        return "has trained tokens"
    if getattr(config, "bias", "none") != "none":
        return "has trained biases"
    return ""
