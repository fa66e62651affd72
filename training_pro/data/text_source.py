"""Raw text and text rows to samples: documents through the slicer.

Texts go from the file into the slicer's buffer on disk, a piece at a time; they are never all in memory.
"""

from __future__ import annotations

import dataclasses
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training_pro.data.cache import TextStore
from training_pro.data.chat_logs import chat_log, log_note
from training_pro.data.documents.extracted import removed_words
from training_pro.data.documents.subtitles import subtitles_note
from training_pro.data.encodings import guess_of, not_utf8
from training_pro.data.rendering.chat import unused_notes
from training_pro.data.report import SourceReport
from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.data.rows.chats import Unwanted, refuse_unwanted
from training_pro.data.rows.fields import NO_COLUMNS, Columns, filled, text_field
from training_pro.data.rows.rows import read_rows
from training_pro.data.samples import TextSamples
from training_pro.data.text_parts import TextPart
from training_pro.data.text_types import PLAIN, suffix_of
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.progress import Progress
from training_pro.settings import Settings
from training_pro.text.blocks.budget import Slicing
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText
from training_pro.text.blocks.slicing import blocks_of, encoded_text
from training_pro.text.findings import found_in
from training_pro.text.reading import NotUtf8, clean_text
from training_pro.text.splitting.unwrapping import LOOKED_AT_BYTES, wrapped_note
from training_pro.text.tokenizing.encoding import TextEncoder

_ROWS_A_REPORT = 1000
_NOTES_BY_FILE = 5


@dataclass(frozen=True)
class TextJob:
    """Everything that is the same for all documents of one source. `name` is how messages call it, `bad_rows` as in
    `Settings`.
    """

    path: Path
    name: str
    slicing: Slicing
    bad_rows: str
    encoder: TextEncoder
    tokenizer: RowTokenizer
    progress: Progress
    store: TextStore | None = None
    columns: Columns = NO_COLUMNS


def slicing_of(settings: Settings, abbreviations: frozenset[str]) -> Slicing:
    """The slicer's part of the settings, and a person's own abbreviations."""
    return Slicing(
        max_tokens=settings.max_tokens,
        hard_cut=settings.hard_cut,
        overlap=settings.overlap,
        dementor=settings.dementor,
        min_block_chars=settings.min_block_chars,
        add_bos=settings.add_bos,
        eos=settings.eos,
        abbreviations=abbreviations,
    )


def means_tokens(control_tokens: str, kind: str) -> bool:
    """Whether special strings are control tokens in texts of this kind; `control_tokens` as in `Settings`."""
    return control_tokens == "tokens" or (control_tokens == "auto" and kind == "text rows")


def text_samples(job: TextJob, parts: Sequence[TextPart]) -> tuple[TextSamples, SourceReport]:
    """The blocks of the texts of a file or folder.

    Raises:
        DataError: not UTF-8, nothing but white space, or nothing that fits.
        Cancelled: from the job's `progress`.
    """
    try:
        corpus = Corpus.of_files([part.path for part in parts], progress=job.progress)
    except NotUtf8 as error:
        name = next((part.name for part in parts if part.path == error.path), error.path.name)
        raise not_utf8(name, error.offset, guess_of(error.path, error.offset)) from None
    samples, report = _sliced(job, corpus, SourceReport(job.name, "text"), [part.name for part in parts])
    return samples, dataclasses.replace(report, notes=_notes(job, parts))


def _notes(job: TextJob, parts: Sequence[TextPart]) -> tuple[str, ...]:
    """What the beginning of the first text shows, and what conversion left out."""
    beginning = _beginning(parts[0].path)
    log = chat_log(beginning)
    shown = log_note(job.name, log) if log is not None else wrapped_note(job.name, beginning)
    subtitles = subtitles_note(job.name, beginning) if suffix_of(parts[0].path) in PLAIN else ""
    return tuple(filter(None, (subtitles or shown, *_left_out_notes(parts))))


def _left_out_notes(parts: Sequence[TextPart]) -> list[str]:
    """What conversion left out of the texts: file by file, or of many files in all."""
    if len(parts) <= _NOTES_BY_FILE:
        return [part.note for part in parts]
    removed: Counter[str] = Counter()
    for part in parts:
        removed.update(part.removed)
    words = removed_words(removed)
    return [f"{len(parts)} texts: left out of them: {words}."] if words else []


def text_row_samples(job: TextJob) -> tuple[TextSamples, SourceReport]:
    """The blocks of ``{"text": ...}`` rows, each row a document of its own.

    Raises:
        DataError: the file or a row can't be used, or nothing is left.
        Cancelled: from the job's `progress`.
    """
    bad = BadRows(job.name, job.bad_rows)
    numbers = array("q")
    unused: Counter[str] = Counter()
    corpus = Corpus([text] for text in _texts(job, bad, numbers, unused))
    report = SourceReport(
        job.name,
        "text rows",
        rows_read=len(numbers) + bad.count + bad.unwanted,
        bad_rows=bad.count,
        bad_row_examples=tuple(bad.examples),
        unwanted_rows=bad.unwanted,
        notes=tuple(unused_notes(unused)),
    )
    return _sliced(job, corpus, report, [job.name], numbers)


def _beginning(file: Path) -> str:
    """Its first characters, to be judged by; the file itself has been read and found good."""
    with file.open("rb") as opened:
        return clean_text(opened.read(LOOKED_AT_BYTES).decode("utf-8", "ignore"))


def _texts(job: TextJob, bad: BadRows, numbers: array[int], unused: Counter[str]) -> Iterator[bytes]:
    """The rows' texts as UTF-8; the number of each goes into `numbers`, the fields that are not used into `unused`."""
    done, size = 0, job.path.stat().st_size
    for number, row in read_rows(job.path, bad):
        try:
            refuse_unwanted(row)
            used = text_field(row, job.columns)
            encoded = _text([row[name] for name in used])
        except Unwanted:
            bad.unwanted += 1
            continue
        except RowFault as fault:
            bad.reject(number, str(fault), row)
            continue
        unused.update(str(name) for name, value in row.items() if name not in used and filled(value))
        numbers.append(number)
        done += len(encoded)
        if len(numbers) % _ROWS_A_REPORT == 0:
            job.progress(min(done, size), size, f"Reading {job.name}")
        yield encoded


def _text(parts: list[Any]) -> bytes:
    """The parts under each other; between them a blank line."""
    if not parts or not all(isinstance(part, str) for part in parts):
        raise RowFault('it has no "text", or it is not text')
    text = "\n\n".join(part for part in parts if part.strip())
    if not text.strip():
        raise RowFault("its text is empty")
    try:
        return clean_text(text).encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowFault(f"it holds half a character (\\u{ord(error.object[error.start]):04x})") from None


def _sliced(
    job: TextJob, corpus: Corpus, report: SourceReport, names: list[str], numbers: array[int] | None = None
) -> tuple[TextSamples, SourceReport]:
    blocks = blocks_of(_encoded(job, corpus), job.slicing, job.progress)
    if not len(blocks) and blocks.report.dropped_small:
        raise DataError(
            f"{report.name}: no block is left, all {blocks.report.dropped_small} were small ones; lower "
            f'"Ignore small blocks" ({job.slicing.min_block_chars} characters).',
            option="--set min_block_chars=0",
            setting="min_block_chars",
        )
    if not len(blocks):
        first = f" The first bad row: {report.bad_row_examples[0]}" if report.bad_row_examples else ""
        raise DataError(f"{report.name} holds no text; choose a file with some.{first}")
    found = found_in(corpus, job.slicing.hard_cut, job.encoder)
    done = dataclasses.replace(report, samples=len(blocks), slicing=blocks.report, found=found)
    rows = np.frombuffer(numbers, np.int64) if numbers is not None else None
    return TextSamples(blocks, names, job.tokenizer, rows), done


def _encoded(job: TextJob, corpus: Corpus) -> IndexedText:
    """The corpus with its ids, out of the store if it was kept there."""
    kept = job.store.load(corpus, job.encoder) if job.store is not None else None
    if kept is not None:
        return kept
    text = encoded_text(corpus, job.slicing, job.encoder, job.progress)
    if job.store is not None and text.encoder is job.encoder and len(text.sentences):
        job.store.store(text)
    return text
