"""Small jobs on datasets: split one, convert to chats, write down the prepared blocks.

Rows are streamed, at some 20 MB a second; files are written whole or not at all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, count, groupby
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from training_pro.data.chat_logs import PAUSE_HOURS, ChatLog, chat_log, conversations
from training_pro.data.encodings import LOOKED_AT_BYTES, decoded, guessed, is_utf8, reading
from training_pro.data.files import DOCUMENTS, SUBTITLES, find_dataset, is_packed, is_text, suffix_of
from training_pro.data.preview import BlockPreview, TokenPreview
from training_pro.data.questions.kept import QuestionFile, chats_of
from training_pro.data.rendering.chat import branch_notes, unused_notes
from training_pro.data.rows.assistant_exports import OTHER_BRANCHES
from training_pro.data.rows.bad_rows import BadRows, RowFault, Unwanted
from training_pro.data.rows.chats import Chat, chat_of
from training_pro.data.rows.rows import Row, read_rows
from training_pro.data.samples import KINDS, Samples
from training_pro.data.text_notes import stray_words
from training_pro.data.text_parts import TextPart, extracted, text_parts, unpacked_bytes
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.progress import Progress, no_progress
from training_pro.record.whole_files import strict_json, whole_file
from training_pro.text.look_alikes import LOOK_ALIKES, with_hard_cuts
from training_pro.text.reading import read_text
from training_pro.text.sections import section_spans, unescape
from training_pro.text.splitting.unwrapping import Unwrapped, unwrapped
from training_pro.text.stray_characters import Stray, cleaned
from training_pro.words import counted

_REPORT_EVERY = 500
_ROWS = "\0rows"  # no field's name
_BETWEEN_FILES = "\n\n\n"  # the usual hard cut, which a file's end is too


@dataclass(frozen=True)
class Conversion:
    """What `convert` has written: the file's `name`; what it left out of a document; or the encoding it read and a
    line that shows it."""

    name: str
    removed: Mapping[str, int] = field(default_factory=dict)
    encoding: str = ""
    sample: str = ""


@dataclass(frozen=True)
class DatasetTools:
    """The jobs on the datasets of `folders`; what they make goes there too. A file is replaced only with `overwrite`;
    with `numbered` a file whose name is taken gets a number behind it.

    Every job raises DataError for a dataset, a row or a choice that can't be used or a file that already exists,
    RunError for a file that can't be written, and Cancelled from `progress`; it has then written nothing.
    """

    folders: Folders
    overwrite: bool = False
    progress: Progress = no_progress
    numbered: bool = False

    def split(self, name: str, eval_percent: float, seed: int = 42) -> tuple[str, str]:
        """Part the rows of dataset `name` at random into ``NAME_train.jsonl`` and ``NAME_eval.jsonl``.

        The names of both files come back, to be selected. Every row is in exactly one of them, as it was.
        """
        if not 0 < eval_percent < 100:
            raise DataError(f"The share for evaluation is {eval_percent:g} %. It must be between 0 and 100 %.")
        path = self._rows_file(name, 'hold out a percentage of it under "Hold out for evaluation"')
        targets = [self._target(path, ending) for ending in ("_train.jsonl", "_eval.jsonl")]
        count = sum(1 for _ in self._rows(path, "Counting rows"))
        if count < 2:
            raise DataError(f"{path.name} has {count} row; splitting needs at least 2.")
        held = min(count - 1, max(1, round(count * eval_percent / 100)))
        is_eval = np.zeros(count, bool)
        is_eval[np.random.default_rng(seed).permutation(count)[:held]] = True
        with ExitStack() as stack:
            files = [stack.enter_context(_written(target)) for target in targets]
            for (_, row), to_eval in zip(self._rows(path, "Splitting", count), is_eval, strict=True):
                _write_line(files[int(to_eval)], row)
        return targets[0].name, targets[1].name

    def rows_to_chats(self, name: str, system: str) -> tuple[str, list[str]]:
        """Instruction or chat rows to ``NAME.jsonl`` of messages; the name comes back, and what was left out.

        `system` goes before each conversation that has no system message of its own. An `input` stays: it follows
        the instruction after an empty line.
        """
        path = self._rows_file(name, "turn it into chats as a text")
        target = self._target(path, "_chat.jsonl" if path.suffix == ".jsonl" else ".jsonl")
        left_out: Counter[str] = Counter()
        _write_lines(target, self._chats(path, system.strip(), left_out))
        rows, branches = left_out.pop(_ROWS, 0), left_out.pop(OTHER_BRANCHES, 0)
        refused = (
            [f"Left out: {counted(rows, 'row')} without an answer or marked as not to be learned."] if rows else []
        )
        return target.name, refused + branch_notes(branches) + unused_notes(left_out)

    def text_to_chats(self, name: str, hard_cut: str, system: str, prompt: str) -> str:
        """Each section of a text, as the answer to `prompt`, to ``NAME.jsonl`` of messages; the name comes back."""
        if not prompt.strip():
            raise DataError("The prompt is empty; write the question that every section is to answer.")
        path, parts = self._texts(name, "turn its rows into chats instead")
        target = self._target(path, ".jsonl")
        head = [{"role": "system", "content": system.strip()}] if system.strip() else []
        count = 0
        with _written(target) as file:
            for section in self._sections(parts, unescape(hard_cut)):
                turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": section}]
                _write_line(file, {"messages": [*head, *turns]})
                count += 1
            if not count:
                raise DataError(f"{path.name} holds no text; choose a file with some.")
        return target.name

    def questions_to_chats(self, table: QuestionFile, system: str) -> str:
        """The kept questions of a table, each answered by the author's own words, to ``NAME_questions.jsonl`` of
        messages; the name comes back."""
        target = self.folders.datasets / f"{table.path.stem}_questions.jsonl"
        self._refuse_taken(target)
        _write_lines(target, chats_of(table.read().kept, system))
        return target.name

    def unwrap(self, name: str) -> tuple[str, Unwrapped]:
        """A text with its hard-wrapped lines joined to ``NAME_unwrapped.txt``, files of a folder separated by two blank
        lines; the name comes back, and what was joined (without the text)."""
        path, parts = self._texts(name, "only running text has lines to be joined")
        target = self._target(path, "_unwrapped.txt")
        joined = gone = kept = 0
        with _written(target) as written:
            for done, part in enumerate(parts):
                self.progress(done, len(parts), "Joining lines")
                one = unwrapped(read_text(part.path))
                joined, gone, kept = joined + one.joined, gone + one.hyphens_gone, kept + one.hyphens_kept
                _write_text(written, (_BETWEEN_FILES if done else "") + one.text)
        return target.name, Unwrapped("", joined, gone, kept)

    def log_to_chats(self, name: str, assistant: str, pause_hours: float = PAUSE_HOURS) -> tuple[str, ChatLog]:
        """A chat log that is a text to ``NAME.jsonl`` of messages, `assistant` the person whose words are learned; the
        name comes back, and what was in the log. A pause of so many hours ends a conversation."""
        path, parts = self._texts(name, "chats in JSON can be chosen as the Dataset as they are")
        target = self._target(path, ".jsonl")
        text = "\n".join(read_text(part.path) for part in parts)
        log = chat_log(text)
        if log is None:
            raise DataError(
                f"{path.name} is no chat log: its lines don't begin with a time or a name, as in WhatsApp, Telegram, "
                "Discord, IRC or a dialogue. To answer one question with each section, turn the text into chats."
            )
        chats = list(conversations(log, assistant, pause_hours))
        if not chats:
            raise DataError(f"{path.name}: {assistant} answers nobody in this log; choose another name.")
        _write_lines(target, ({"messages": turns} for turns in chats))
        return target.name, log

    def convert(self, name: str, encoding: str = "") -> Conversion:
        """A document (EPUB, PDF, ...) as text to ``NAME.txt``; what is in another encoding than UTF-8, as UTF-8 to
        ``NAME_utf8`` with the same ending. `encoding` "": the likeliest one."""
        path = find_dataset(name, self.folders.datasets)
        if path.is_dir():
            raise DataError(f"{path.name} is a folder; convert the files in it one by one.")
        if suffix_of(path) in DOCUMENTS and not encoding:
            return self._convert_document(path)
        data = unpacked_bytes(path)
        fine = is_utf8(data)
        if fine and not encoding:
            if suffix_of(path) in SUBTITLES:
                return self._convert_document(path)
            raise DataError(f"{path.name} is UTF-8 already; use it as it is, or name its encoding.")
        guess = None if fine else guessed(data[:LOOKED_AT_BYTES])
        codec = encoding or (guess.codec if guess is not None else "")
        if not codec:
            raise DataError(f"{path.name} holds no text in any known encoding; choose another file.")
        target, text = self._target(path, f"_utf8{suffix_of(path)}"), decoded(data, codec, path.name)
        read = reading(codec, text)
        return self._put(target, text, Conversion(target.name, {}, read.name, read.sample))

    def _convert_document(self, path: Path) -> Conversion:
        target = self._target(path, ".txt")
        found = extracted(path, path.name)
        return self._put(target, found.text, Conversion(target.name, found.removed))

    def _put(self, target: Path, text: str, done: Conversion) -> Conversion:
        with _written(target) as file:
            _write_text(file, text)
        return done

    def clean(self, name: str) -> tuple[str, Counter[str]]:
        """A text without what is in it by accident (control characters, byte order marks, HTML entities and tags) to
        ``NAME_clean.txt``, files of a folder separated by two blank lines; the name comes back, and how many of
        each kind there were."""
        path, parts = self._texts(name, "only running text is cleaned")
        target = self._target(path, "_clean.txt")
        counts: Counter[str] = Counter()
        with _written(target) as written:
            for done, part in enumerate(parts):
                self.progress(done, len(parts), "Cleaning")
                text, here = cleaned(read_text(part.path))
                counts += here
                _write_text(written, (_BETWEEN_FILES if done else "") + text)
        return target.name, counts

    def cut(self, name: str) -> tuple[str, int]:
        """A text with a hard cut at each scene break, form feed and chapter heading to ``NAME_cut.txt``; the name comes
        back, and how many there were."""
        path, parts = self._texts(name, "only running text has scenes and chapters")
        target = self._target(path, "_cut.txt")
        count = 0
        with _written(target) as written:
            for done, part in enumerate(parts):
                self.progress(done, len(parts), "Cutting")
                text, here = with_hard_cuts(read_text(part.path), LOOK_ALIKES)
                count += here
                _write_text(written, (_BETWEEN_FILES if done else "") + text)
        return target.name, count

    def write_blocks(self, samples: Samples, target: Path, with_ends: bool) -> None:
        """The samples as they are trained: to a ``.txt`` file for people to read, else one JSON object a line; see
        `written_blocks`.

        `with_ends`: with BOS and EOS as they are written, else without them.
        """
        self._refuse_taken(target)
        readable = target.suffix.lower() == ".txt"
        with _written(target) as file:
            for index in range(len(samples)):
                if readable:
                    _write_text(file, as_text(samples, index, with_ends))
                else:
                    _write_line(file, as_row(samples, index, with_ends))
                if index % _REPORT_EVERY == 0:
                    self.progress(index, len(samples), "Writing blocks")

    def _texts(self, name: str, way_out: str) -> tuple[Path, list[TextPart]]:
        """Where the text `name` is, and the texts in it."""
        path = find_dataset(name, self.folders.datasets)
        if not is_text(path):
            raise DataError(f"{path.name} holds rows, not running text; {way_out}.")
        return path, text_parts(path, path.name, self.folders.converted, self.progress)

    def _rows_file(self, name: str, way_out: str) -> Path:
        path = find_dataset(name, self.folders.datasets)
        if is_text(path):
            raise DataError(f"{path.name} holds running text, not rows; {way_out}.")
        return path

    def _target(self, path: Path, ending: str) -> Path:
        stem = path.name if path.is_dir() else Path(path.stem).stem if is_packed(path) else path.stem
        target = self.folders.datasets / (stem + ending)
        if self.numbered:
            return _free(target)
        self._refuse_taken(target)
        return target

    def _refuse_taken(self, target: Path) -> None:
        if target.exists() and not self.overwrite:
            raise DataError(
                f"{target.name} already exists; rename it, or choose to overwrite it.", option="--overwrite"
            )

    def _rows(self, path: Path, what: str, total: int = 0) -> Iterator[tuple[int, Row]]:
        """The rows with their numbers; a bad one is the end."""
        for done, numbered in enumerate(read_rows(path, BadRows(path.name, "stop"))):
            if done % _REPORT_EVERY == 0:
                self.progress(done, total, what)
            yield numbered

    def _chats(self, path: Path, system: str, left_out: Counter[str]) -> Iterator[Row]:
        """The rows as chats; what of them is in none is counted."""
        bad = BadRows(path.name, "stop")
        for number, row in self._rows(path, "Converting rows"):
            try:
                chat = chat_of(row)
                yield _chat_row(chat, system)
                left_out.update(chat.unused)
                left_out[OTHER_BRANCHES] += chat.others
            except Unwanted:
                left_out[_ROWS] += 1
            except RowFault as fault:
                bad.reject(number, str(fault), row)

    def _sections(self, parts: list[TextPart], hard_cut: str) -> Iterator[str]:
        for done, part in enumerate(parts):
            self.progress(done, len(parts), "Converting texts")
            text = read_text(part.path)
            for start, end in section_spans(text, [hard_cut]):
                yield text[start:end]


def cleaned_words(counts: Mapping[str, int]) -> str:
    """What cleaning a text has done, as a sentence."""
    kinds = ", ".join(stray_words(Stray(kind, number, "")) for kind, number in counts.items())
    return f"Taken out or replaced: {kinds}." if kinds else "Nothing had to be cleaned."


def _free(target: Path) -> Path:
    """`target`, or the first path like it with a number that nothing has."""
    name, suffix = target.name.removesuffix(target.suffix), target.suffix
    others = (target.with_name(f"{name}_{number}{suffix}") for number in count(2))
    return next(path for path in chain((target,), others) if not path.exists())


@contextmanager
def _written(target: Path) -> Iterator[TextIO]:
    """A text file that takes its place once the body has ended well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        yield file


def _write_lines(target: Path, rows: Iterable[Row]) -> None:
    with _written(target) as file:
        for row in rows:
            _write_line(file, row)


def _write_line(file: TextIO, row: Row) -> None:
    """`row` as JSON; half a character, which UTF-8 can't hold, as its escape."""
    line = json.dumps(strict_json(row), ensure_ascii=False, default=str)
    try:
        file.write(line + "\n")
    except UnicodeEncodeError:
        file.write(json.dumps(strict_json(row), default=str) + "\n")


def _write_text(file: TextIO, text: str) -> None:
    file.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def _chat_row(chat: Chat, system: str) -> Row:
    """The conversation as a row of messages; answers that are not to be learned keep their ``weight: 0``."""
    if chat.segments:
        raise RowFault("it holds ready-made segments instead of turns")
    messages = [
        {**message, "weight": 0} if place in chat.silent else message for place, message in enumerate(chat.messages)
    ]
    if system and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": system})
    return {"messages": messages, **({"tools": chat.tools} if chat.tools else {})}


OPEN, CLOSE = "\u27e6", "\u27e7"  # around what is trained in a row
_EXPLAINED = (
    "The blocks as they are trained. Of a block of text every token but the first is trained; of a row, the part "
    f"between {OPEN} and {CLOSE}."
)


def as_row(samples: Samples, index: int, with_ends: bool) -> dict[str, Any]:
    """``{"text", "kind", "tokens", "trained"}``; of a row also its number and ``learned``, the trained stretches."""
    kind = KINDS[samples.kinds[index]]
    counts = {"tokens": int(samples.lengths[index]), "trained": int(samples.trained_counts[index])}
    values = {"text": samples.written(index, with_ends), "kind": kind, **counts}
    if kind != "row":
        return values
    block = samples.preview(index)
    learned = [text for text, trained in _stretches(block, with_ends) if trained]
    return {**values, "row": block.row, "learned": learned}


def as_text(samples: Samples, index: int, with_ends: bool) -> str:
    """A heading and the block's text; before the first one, how to read it."""
    block = samples.preview(index)
    where = f"{block.kind} {block.row}" if block.kind == "row" else block.kind
    heading = (
        f"=== {index + 1:,}: {where} of {block.source}, {len(block.tokens):,} tokens, {block.trained:,} trained ==="
    )
    text = samples.written(index, with_ends) if block.kind != "row" else _marked(block, with_ends)
    return f"{'' if index else _EXPLAINED + chr(10) * 2}{heading}\n{text}\n\n"


def _marked(block: BlockPreview, with_ends: bool) -> str:
    return "".join(
        f"{OPEN}{text}{CLOSE}" if trained and text else text for text, trained in _stretches(block, with_ends)
    )


def _stretches(block: BlockPreview, with_ends: bool) -> Iterator[tuple[str, bool]]:
    """Texts of tokens that are alike in being trained or not, and which it is."""
    tokens = block.tokens if with_ends else block.tokens[block.bos : len(block.tokens) - block.eos]
    for trained, alike in groupby(tokens, _is_trained):
        yield "".join(token.text for token in alike), trained


def _is_trained(token: TokenPreview) -> bool:
    return token.trained
