"""Raw text and text rows to samples: documents through the slicer.

Texts go from the file into the slicer's buffer on disk, a piece at a time; they are never all in memory.
"""

from __future__ import annotations

import dataclasses
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from training_pro.data.cache import CacheEntry, cache_key
from training_pro.data.encodings import guess_of, not_utf8
from training_pro.data.fingerprint import files_digest
from training_pro.data.rendering.chat import unused_notes
from training_pro.data.report import SourceReport
from training_pro.data.rows.bad_rows import BadRows, RowFault, Unwanted
from training_pro.data.rows.chats import refuse_unwanted
from training_pro.data.rows.fields import filled, text_field
from training_pro.data.rows.rows import read_rows
from training_pro.data.samples import TextSamples
from training_pro.data.sources import Source
from training_pro.data.text_notes import foreign_markers_notes, part_notes
from training_pro.data.text_parts import text_parts
from training_pro.data.workshop import SourceSamples, Workshop
from training_pro.errors import DataError
from training_pro.text.blocks.blocks import Blocks
from training_pro.text.blocks.budget import Slicing
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText
from training_pro.text.blocks.slicing import blocks_of, encoded_text, encoding_identity
from training_pro.text.findings import found_in
from training_pro.text.reading import NotUtf8, clean_text

_ROWS_A_REPORT = 1000


@dataclass(frozen=True)
class _Documents:
    """`names` of each document's file, or of the one file of them all; `numbers` are the documents' rows in it."""

    corpus: Corpus
    names: list[str]
    numbers: array[int] | None = None


def text_samples(source: Source, workshop: Workshop) -> SourceSamples:
    """The blocks of the texts of a file or folder.

    Raises:
        DataError: not UTF-8, nothing but white space, or nothing that fits.
        Cancelled: from the workshop's `progress`.
    """
    parts = text_parts(source.path, source.name, workshop.converted, workshop.progress)
    content = files_digest([part.path for part in parts])
    try:
        corpus = Corpus.of_files([part.path for part in parts], progress=workshop.progress)
    except NotUtf8 as error:
        name = next((part.name for part in parts if part.path == error.path), error.path.name)
        raise not_utf8(name, error.offset, guess_of(error.path, error.offset)) from None
    documents = _Documents(corpus, [part.name for part in parts])
    report = SourceReport(source.name, "text", notes=part_notes(source.name, parts))
    return _sliced(source, workshop, documents, content, report)


def text_row_samples(source: Source, workshop: Workshop) -> SourceSamples:
    """The blocks of ``{"text": ...}`` rows, each row a document of its own.

    Raises:
        DataError: the file or a row can't be used, or nothing is left.
        Cancelled: from the workshop's `progress`.
    """
    content = files_digest(source.files())
    bad = BadRows(source.name, workshop.settings.bad_rows)
    numbers = array("q")
    unused: Counter[str] = Counter()
    corpus = Corpus([text] for text in _texts(source, workshop, bad, numbers, unused))
    report = SourceReport(
        source.name,
        "text rows",
        rows_read=len(numbers) + bad.count + bad.unwanted,
        bad_rows=bad.count,
        bad_row_examples=tuple(bad.examples),
        unwanted_rows=bad.unwanted,
        notes=(*bad.unread_notes(), *unused_notes(unused)),
    )
    return _sliced(source, workshop, _Documents(corpus, [source.name], numbers), content, report)


def _texts(
    source: Source, workshop: Workshop, bad: BadRows, numbers: array[int], unused: Counter[str]
) -> Iterator[bytes]:
    """The rows' texts as UTF-8; the number of each goes into `numbers`, the fields that are not used into `unused`."""
    done, size = 0, source.path.stat().st_size
    for number, row in read_rows(source.path, bad, workshop.reading.columns.names_fields):
        try:
            refuse_unwanted(row)
            used = text_field(row, workshop.reading.columns)
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
            workshop.progress(min(done, size), size, f"Reading {source.name}")
        yield encoded


def _is_lines(part: Any) -> bool:
    return isinstance(part, list) and all(isinstance(line, str) for line in part)


def _text(parts: list[Any]) -> bytes:
    """The parts under each other; between them a blank line."""
    parts = ["\n".join(part) if _is_lines(part) else part for part in parts]
    if not parts or not all(isinstance(part, str) for part in parts):
        raise RowFault('it has no "text", or it is not text')
    text = "\n\n".join(part for part in parts if part.strip())
    if not text.strip():
        raise RowFault("its text is empty")
    try:
        return clean_text(text).encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowFault(
            f"it holds a broken character (half of a pair, \\u{ord(error.object[error.start]):04x})"
        ) from None


def _sliced(
    source: Source, workshop: Workshop, documents: _Documents, content: str, report: SourceReport
) -> SourceSamples:
    """The blocks of the documents, whose `content` is a digest."""
    slicing, encoder = workshop.slicing, workshop.encoders[source.kind]
    text = _kept_or_encoded(source, workshop, documents.corpus, content)
    blocks = blocks_of(text, slicing, workshop.progress)
    if not len(blocks):
        raise _nothing_left(source, slicing, blocks, report)
    workshop.progress(0, 0, f"Searching {source.name}")
    found = found_in(documents.corpus, slicing.hard_cut, encoder)
    rows = np.frombuffer(documents.numbers, np.int64) if documents.numbers is not None else None
    samples = TextSamples(blocks, documents.names, workshop.rows, rows)
    notes = (*report.notes, *foreign_markers_notes(source.name, documents.corpus, workshop.rows))
    report = dataclasses.replace(report, samples=len(blocks), slicing=blocks.report, found=found, notes=notes)
    return SourceSamples(source, samples, report, (content,), blocks.digest())


def _kept_or_encoded(source: Source, workshop: Workshop, corpus: Corpus, content: str) -> IndexedText:
    """The encoded text out of the cache, where all that it is made of is part of its key; else made, and kept there."""
    slicing, encoder, cache = workshop.slicing, workshop.encoders[source.kind], workshop.cache
    if cache is None:
        return encoded_text(corpus, slicing, encoder, workshop.progress)
    identity = encoding_identity(slicing, encoder)
    key = cache_key(source.kind, content, workshop.tokenizer_digest, identity, str(workshop.reading.columns))
    found = cache.load(key)
    kept = IndexedText.restored(found.arrays, corpus, encoder) if found is not None else None
    if kept is not None:
        return kept
    text = encoded_text(corpus, slicing, encoder, workshop.progress)
    if text.encoder is encoder and len(text.sentences):
        cache.store(key, CacheEntry(text.arrays()))
    return text


def _nothing_left(source: Source, slicing: Slicing, blocks: Blocks, report: SourceReport) -> DataError:
    """The refusal of a text of which no block can be trained."""
    if blocks.report.dropped_small:
        return DataError(
            f"{source.name}: no block is left, because all {blocks.report.dropped_small} were small ones. Lower "
            f'"Ignore small blocks" ({slicing.min_block_chars} characters).',
            option="--set min_block_chars=0",
            setting="min_block_chars",
        )
    first = f" The first bad row: {report.bad_row_examples[0]}" if report.bad_row_examples else ""
    return DataError(f"{source.name} holds no text. Choose a file with some.{first}")
