"""Raw text and text rows to samples: documents through the slicer."""

from __future__ import annotations

from pathlib import Path

from training_pro.data.bad_rows import BadRows
from training_pro.data.report import SourceReport
from training_pro.data.rows import read_rows
from training_pro.data.samples import TextSamples
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.progress import Progress
from training_pro.settings import Settings
from training_pro.text.encoding import TextEncoder
from training_pro.text.reading import clean_text, read_text, text_files
from training_pro.text.slicing import Slicing, slice_documents


def slicing_of(settings: Settings) -> Slicing:
    """The slicer's part of the settings."""
    return Slicing(
        max_tokens=settings.max_tokens,
        hard_cut=settings.hard_cut,
        overlap=settings.overlap,
        dementor=settings.dementor,
        min_block_chars=settings.min_block_chars,
        add_bos=settings.add_bos,
        eos=settings.eos,
    )


def text_samples(
    path: Path, name: str, settings: Settings, encoder: TextEncoder, tokenizer: RowTokenizer, progress: Progress
) -> tuple[TextSamples, SourceReport]:
    """The blocks of a text file or of a folder of them.

    Raises:
        DataError: no file, not UTF-8, nothing but white space, or nothing that fits.
        Cancelled: from `progress`.
    """
    files = text_files(path)
    names = [name if path.is_file() else f"{name}/{file.name}" for file in files]
    documents = [read_text(file) for file in files]
    return _sliced(documents, names, SourceReport(name, "text"), settings, (encoder, tokenizer), progress)


def text_row_samples(
    path: Path, name: str, settings: Settings, encoder: TextEncoder, tokenizer: RowTokenizer, progress: Progress
) -> tuple[TextSamples, SourceReport]:
    """The blocks of ``{"text": ...}`` rows, each row a document of its own.

    Raises:
        DataError: the file or a row can't be used, or nothing is left.
        Cancelled: from `progress`.
    """
    bad = BadRows(name, settings.bad_rows)
    documents, names = [], []
    for number, row in read_rows(path, bad):
        fault = _text_fault(row.get("text"))
        if fault:
            bad.reject(number, fault, row)
            continue
        documents.append(clean_text(row["text"]))
        names.append(f"{name}, row {number}")
        if number % 1000 == 0:
            progress(0, 1, f"Reading {name}")
    report = SourceReport(
        name,
        "text rows",
        rows_read=len(documents) + bad.count,
        bad_rows=bad.count,
        bad_row_examples=tuple(bad.examples),
    )
    return _sliced(documents, names, report, settings, (encoder, tokenizer), progress)


def _text_fault(text: object) -> str:
    if not isinstance(text, str):
        return 'it has no "text", or it is not text'
    if not text.strip():
        return "its text is empty"
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            return f"it holds half a character (\\u{ord(text[error.start]):04x})"
    return ""


def _sliced(
    documents: list[str],
    names: list[str],
    report: SourceReport,
    settings: Settings,
    tokenizers: tuple[TextEncoder, RowTokenizer],
    progress: Progress,
) -> tuple[TextSamples, SourceReport]:
    encoder, tokenizer = tokenizers
    if not any(document and not document.isspace() for document in documents):
        first = f" The first bad row: {report.bad_row_examples[0]}" if report.bad_row_examples else ""
        raise DataError(f"{report.name} holds no text; choose a file with some.{first}")
    blocks = slice_documents(documents, slicing_of(settings), encoder, progress)
    if not len(blocks):
        raise DataError(
            f"{report.name}: no block is left, all {blocks.report.dropped_small} were small ones; lower "
            f'"Ignore small blocks" ({settings.min_block_chars} characters).'
        )
    done = SourceReport(**{**vars(report), "samples": len(blocks), "slicing": blocks.report})
    return TextSamples(blocks, names, tokenizer), done
