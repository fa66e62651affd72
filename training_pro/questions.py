"""Questions for a text: the host's model writes one for each passage, so that the author's words become answers.

The work holds the model as a run does, in its own thread, so that it outlives the page. Each question is on disk as it
comes; the same request continues where it was ended or killed. Costs one written question a passage, two where the
first is of no use: on a processor a second or two each with a small model.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training_pro.data.questions.asking import MOST_TOKENS, Prompts
from training_pro.data.questions.judging import is_done, key_of, question_in, why_bad
from training_pro.data.questions.kept import Head, Line, QuestionFile, Questions
from training_pro.data.questions.passages import Cutting, Passages, passages_of, text_path
from training_pro.data.rows.bad_rows import RowFault
from training_pro.errors import Cancelled, DataError, Fault, ModelError, explain, options_of
from training_pro.folders import Folders
from training_pro.host_job import HostJob
from training_pro.hosts.host import Host, LoadedModel

logger = logging.getLogger(__name__)

AT_ONCE = 4


@dataclass(frozen=True)
class Asking:
    """What to write questions for. `at_once` passages go through the model together; `wish` replaces our own words to
    it; `again`: an older table of this text is kept aside first."""

    text: str
    cutting: Cutting = field(default_factory=Cutting)
    at_once: int = AT_ONCE
    wish: str = ""
    again: bool = False


@dataclass(frozen=True)
class AskingStatus:
    """The work as it is now. `progress` is (done, total, what); `questions` the table so far, in `file`."""

    text: str
    file: Path
    running: bool = True
    progress: tuple[int, int, str] = (0, 0, "")
    questions: Questions | None = None
    too_short: int = 0
    notes: tuple[str, ...] = ()
    fault: Fault | None = None
    interrupted: bool = False

    def summary(self) -> str:
        """How many there are, and why others are of no use."""
        found = self.questions
        if found is None:
            return ""
        bad = ", ".join(f"{count:,} {why}" for why, count in found.bad.most_common())
        parts = [f"{found.head.passages:,} passages", f"{len(found.kept):,} questions kept"]
        parts += [f"{found.bad.total():,} left out ({bad})"] if bad else []
        parts += [f"{found.waiting:,} still to be asked about"] if found.waiting else []
        parts += [f"{self.too_short:,} passages too short to be asked about"] if self.too_short else []
        return "; ".join(parts) + "."


def question_file(text: str, folders: Folders) -> QuestionFile:
    """The table of the text `text`, which need not be there yet.

    Raises:
        DataError: there is no such text.
    """
    path = text_path(text, folders)
    stem = path.name if path.is_dir() else path.name.partition(".")[0] or path.stem
    return QuestionFile(folders.questions / f"{stem}.jsonl")


class QuestionsJob(HostJob[AskingStatus]):
    """One request, in its own thread.

    Guarantees: it ends, and the host then has its model as it was, or `status.fault` says why not.
    """

    def __init__(self, host: Host, asking: Asking) -> None:
        """Raises: DataError: there is no such text."""
        self._host = host
        self._asking = asking
        self._file = question_file(asking.text, host.folders)
        self._at_once = asking.at_once
        super().__init__("questions", AskingStatus(asking.text, self._file.path))

    def sentence(self) -> str:
        """The answer to whoever asks the model something meanwhile."""
        done, total, _ = self._status.progress
        how_far = f", {done:,} of {total:,}" if total else ""
        what = f"The model is writing questions for {self._asking.text}{how_far}."
        return f"{what} Wait until it has finished, or cancel it."

    # -- the work, in its own thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with self._host.hold(self.sentence):
                self._tell(0, 0, "reading the model")
                self._write(self._host.loaded_model())
        except Cancelled:
            self._status = replace(self._status, interrupted=True)
        except BaseException as error:  # noqa: BLE001 - the thread's last stop: everything becomes a sentence
            fault = Fault(explain(error, "writing questions"), options=options_of(error))
            self._status = replace(self._status, fault=fault)
        self._status = replace(self._status, running=False, progress=(0, 0, ""))
        self._ended.set()

    def _write(self, loaded: LoadedModel) -> None:
        from training_pro.training.model.snapshot import ModelSnapshot

        asking = self._asking
        passages = passages_of(asking.text, self._host.folders, loaded.tokenizer, asking.cutting, self._tell)
        prompts = Prompts.of(loaded.tokenizer, self._host.folders.instruction_templates, asking.wish)
        if prompts.template is None:
            self._note(f"{loaded.label} has no chat template: it continues examples instead, which works less well.")
        questions = self._begun(passages, loaded.label)
        self._status = replace(self._status, questions=questions, too_short=passages.too_short)
        there = {line.number for line in questions.lines}
        todo = [number for number in range(1, len(passages.texts) + 1) if number not in there]
        snapshot = ModelSnapshot.take(loaded.model)
        try:
            self._ask_all(todo, passages, _Writer(loaded, prompts, self._asked_to_end.is_set))
        finally:
            snapshot.restore()

    def _begun(self, passages: Passages, model: str) -> Questions:
        if self._asking.again:
            aside = self._file.keep_aside()
            self._note(f"The older questions are in {aside}." if aside else "")
        cutting = self._asking.cutting
        digest, count = passages.digest(), len(passages.texts)
        head = Head(passages.name, digest, count, cutting.hard_cut, cutting.max_tokens, model)
        questions = self._file.begin(head)
        if questions.lines:
            self._note(f"Continued: {len(questions.lines):,} of {count:,} passages were asked about before.")
        return questions

    def _ask_all(self, todo: Sequence[int], passages: Passages, writer: _Writer) -> None:
        total, at = len(passages.texts), 0
        while at < len(todo):
            self._tell(total - len(todo) + at, total, "writing questions")
            batch = todo[at : at + self._at_once]
            try:
                lines = self._ask([(number, passages.texts[number - 1]) for number in batch], writer)
            except _TooMany:
                self._at_once = max(1, len(batch) // 2)
                self._note(f"Memory ran out with {len(batch)} passages at once: it continues with {self._at_once}.")
                continue
            self._keep(lines)
            at += len(batch)

    def _ask(self, batch: Sequence[tuple[int, str]], writer: _Writer) -> list[Line]:
        """A line for each passage; those whose question is bad are asked about once more in other words."""
        earlier = self._earlier()
        found: dict[int, Line] = {}
        open_ones = list(batch)
        for attempt in range(writer.attempts):
            if not open_ones:
                break
            written = writer.write([text for _, text in open_ones], attempt)
            self._check_end()
            for (number, text), raw in zip(open_ones, written, strict=True):
                question = question_in(raw)
                line = Line.of(number, question, text, why_bad(question, text, earlier))
                if number not in found or not line.why:
                    found[number] = line
                if not line.why:
                    earlier.add(key_of(question))
            open_ones = [(number, text) for number, text in open_ones if found[number].why]
        return [found[number] for number, _ in batch]

    def _earlier(self) -> set[str]:
        assert self._status.questions is not None
        return {key_of(line.question) for line in self._status.questions.lines if not line.why}

    def _keep(self, lines: list[Line]) -> None:
        questions = self._status.questions
        assert questions is not None
        self._file.add(lines)
        both = tuple(sorted((*questions.lines, *lines), key=_number))
        self._status = replace(self._status, questions=replace(questions, lines=both))

    def _check_end(self) -> None:
        if self._asked_to_end.is_set():
            raise Cancelled

    def _tell(self, done: int, total: int, what: str) -> None:
        self._check_end()
        self._status = replace(self._status, progress=(done, total, what))

    def _note(self, sentence: str) -> None:
        if sentence and sentence not in self._status.notes:
            self._status = replace(self._status, notes=(*self._status.notes, sentence))


def _number(line: Line) -> int:
    return line.number


class _TooMany(Exception):
    """Memory ran out with several passages at once."""


class _Writer:
    """The loaded model, asked for questions."""

    def __init__(self, loaded: LoadedModel, prompts: Prompts, stop: Any) -> None:
        self._loaded = loaded
        self._prompts = prompts
        self._stop = stop
        self.attempts = prompts.attempts

    def write(self, texts: Sequence[str], attempt: int) -> list[str]:
        """What the model writes for each of the passages.

        Raises:
            _TooMany: memory ran out, and fewer at once may fit.
            ModelError: memory ran out with one.
            DataError: the chat template refuses a passage.
        """
        from training_pro.training.answering import answers
        from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory

        try:
            prompts = [self._prompts.prompt(text, attempt) for text in texts]
        except RowFault as fault:
            reason = str(fault)
            raise DataError(f"{reason[:1].upper()}{reason[1:]}. Load a model with another chat template.") from None
        try:
            return answers(self._loaded.model, self._loaded.tokenizer, prompts, MOST_TOKENS, is_done, self._stop)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        free_memory()
        if len(texts) > 1:
            raise _TooMany
        raise ModelError(
            "Out of memory with one passage at a time. Cut the text into shorter passages, or load the model in 4-bit.",
            option=("--max-tokens NUMBER", "--quantization 4-bit"),
        )
