"""Measuring perplexity on the host's model: one or several models, without and with LoRAs, on one text.

A measurement holds the model as a run does, in its own thread, so that it outlives the page. Each figure is kept
in the table as it comes; what can't be measured is reported and the rest continues. Afterwards the host has its model
and its LoRA back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from training_pro.data.raw_texts import RawTexts, raw_texts
from training_pro.errors import Cancelled, Fault, UserError, explain, options_of
from training_pro.host_job import HostJob
from training_pro.hosts.host import Host, LoadedModel, without_loras
from training_pro.hosts.lora_in_use import LoraInUse
from training_pro.record.lora_choices import chosen_lora
from training_pro.record.perplexity_table import Measurement, PerplexityTable
from training_pro.text.tokenizing.private_tokenizer import private_copy

logger = logging.getLogger(__name__)

WITHOUT = ""  # in place of a LoRA's name
DEFAULT_CONTEXT_TOKENS, DEFAULT_STRIDE = 1024, 512


@dataclass(frozen=True)
class Measuring:
    """What to measure. `models` are names of the host's list, () the loaded one; `loras` are entries of
    `lora_choices` or `WITHOUT`, () the model with whatever is on it."""

    text: str
    models: tuple[str, ...] = ()
    loras: tuple[str, ...] = ()
    context_tokens: int = DEFAULT_CONTEXT_TOKENS
    stride: int = DEFAULT_STRIDE
    add_bos: bool = True
    comment: str = ""


@dataclass(frozen=True)
class MeasuringStatus:
    """A measurement as it is now. `progress` is (done, total, what) of the figure in progress; `faults` are the
    sentences on what could not be measured, `notes` what else there is to know."""

    text: str
    running: bool = True
    progress: tuple[int, int, str] = (0, 0, "")
    done: tuple[Measurement, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    interrupted: bool = False


class PerplexityJob(HostJob[MeasuringStatus]):
    """One measurement, in its own thread.

    Guarantees: it ends, and the host then has its model and its LoRA back, or `status.faults` says why not.
    """

    def __init__(self, host: Host, measuring: Measuring) -> None:
        self._host = host
        self._measuring = measuring
        self._table = PerplexityTable(host.folders)
        super().__init__("perplexity", MeasuringStatus(measuring.text))

    def sentence(self) -> str:
        """The answer for chat while the model is being measured."""
        done, total, _ = self._status.progress
        how_far = f", {100 * done // total} % of this figure" if total else ""
        return (
            f"The model's perplexity is being measured on {self._status.text}{how_far}. Wait until it "
            "has finished, or interrupt it."
        )

    # -- the work, in its own thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            texts = raw_texts(self._measuring.text, self._host.folders)
            self._status = replace(self._status, text=texts.name)
            with self._right_loras(), self._host.hold(self.sentence):
                self._measure_models(texts)
        except Cancelled:
            self._status = replace(self._status, interrupted=True)
            self._note("Interrupted; the finished figures are kept.")
        except BaseException as error:  # noqa: BLE001 - the thread's last stop: everything becomes a sentence
            self._fault(explain(error, "measuring the perplexity"), options_of(error))
        self._status = replace(self._status, running=False, progress=(0, 0, ""))
        self._ended.set()

    @contextmanager
    def _right_loras(self) -> Iterator[None]:
        """The bare model, where it is to be measured with another LoRA than is on, or without."""
        before = self._host.loras_in_use()
        with nullcontext() if set(self._measuring.loras or before) == set(before) else without_loras(self._host):
            yield

    def _measure_models(self, texts: RawTexts) -> None:
        """The loaded model first, if it is among them; the host's own is back afterwards."""
        own = self._host.model_label()
        models = sorted(self._measuring.models or (own,), key=lambda name: name != own)
        try:
            for name in models:
                self._tell(0, 0, f"loading {name}" if name != own else f"preparing {name}")
                self._tried(self._measure_model, name, texts)
        finally:
            if models != [own]:
                self._host.reload()

    def _measure_model(self, name: str, texts: RawTexts) -> None:
        if name != self._host.model_label():
            self._host.load(name)
        for lora in self._measuring.loras or (None,):
            self._tried(self._measure_with, lora, texts)

    def _measure_with(self, lora: str | None, texts: RawTexts) -> None:
        loaded, on = self._host.loaded_model(), self._host.loras_in_use()
        if not lora or [lora] == on:
            self._measure(loaded, ", ".join(on), texts)
            return
        used = LoraInUse(loaded.model, chosen_lora(self._host.folders, lora).folder, lora)
        try:
            self._measure(replace(loaded, model=used.model), lora, texts)
        finally:
            used.remove()

    def _measure(self, loaded: LoadedModel, lora: str, texts: RawTexts) -> None:
        from training_pro.training.perplexity import fitted, measure

        asked = self._measuring
        bos_id = getattr(loaded.tokenizer, "bos_token_id", None) if asked.add_bos else None
        sliding, said = fitted(asked.context_tokens, asked.stride, loaded.max_tokens, bos_id)
        self._note(f"{loaded.label}: {said}" if said else "")
        what = f"{loaded.label} with {lora}" if lora else loaded.label
        self._tell(0, 0, f"{what}: reading the tokens")
        ids = _encoded(loaded.tokenizer, texts)
        measured = measure(loaded.model, ids, sliding, partial(self._tell_figure, what))
        self._keep(
            Measurement(
                model=loaded.label,
                quantization=loaded.quantization,
                lora=lora,
                text=texts.name,
                context=sliding.context_tokens,
                stride=sliding.stride,
                bos=bos_id is not None,
                tokens=measured.tokens,
                perplexity=measured.perplexity,
                comment=asked.comment,
            )
        )

    def _keep(self, measurement: Measurement) -> None:
        self._status = replace(self._status, done=(*self._status.done, measurement))
        self._note(self._table.add(measurement))

    def _tried(self, work: Any, *given: Any) -> None:
        """One piece of the work: what a person can act on becomes a fault, and the other pieces continue."""
        self._check_end()
        try:
            work(*given)
        except UserError as error:
            self._fault(str(error), error.options)

    def _check_end(self) -> None:
        if self._asked_to_end.is_set():
            raise Cancelled

    def _tell(self, done: int, total: int, what: str) -> None:
        self._check_end()
        self._status = replace(self._status, progress=(done, total, what))

    def _tell_figure(self, what: str, done: int, total: int, so_far: str) -> None:
        self._tell(done, total, f"{what}: {so_far}" if so_far else what)

    def _note(self, sentence: str) -> None:
        if sentence and sentence not in self._status.notes:
            self._status = replace(self._status, notes=(*self._status.notes, sentence))

    def _fault(self, sentence: str, options: tuple[str, ...]) -> None:
        self._status = replace(self._status, faults=(*self._status.faults, Fault(sentence, options=options)))


def _encoded(tokenizer: Any, texts: RawTexts) -> list[Any]:
    """The ids of each text as plain text, nothing added; the host's tokenizer is not changed."""
    import numpy as np

    plain = private_copy(tokenizer)
    return [np.array(ids, np.int32) for ids in plain.encode_many(texts.texts)]
