"""A dataset file to samples: rows are read, rendered and encoded in batches, nothing is kept but tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.data.cache import Entry, PreparedCache, cache_key
from training_pro.data.fingerprint import digest, settings_parts
from training_pro.data.rendering.chat import ChatRenderer
from training_pro.data.rendering.formats import USUAL_FORMAT, Format, InstructionRenderer, load_format, reading_of
from training_pro.data.rendering.rendering import LossPlace, RowRenderer, loss_place, trained_spans
from training_pro.data.rendering.templates import has_template, load_template, make_template
from training_pro.data.report import SourceReport
from training_pro.data.row_encoding import ReadyRow, RowArrays
from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.data.rows.chats import Unwanted
from training_pro.data.rows.rows import Row, read_rows
from training_pro.data.samples import RowSamples
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.progress import Progress
from training_pro.settings import Settings

_AFTERWARDS = ("seed", "skip_duplicates", "hybrid", "hybrid_data_percent", "hybrid_text_percent", "eval_percent")
_WAY_OF_RENDERING = 2  # raised when rows become other tokens than with the code before
BATCH_ROWS = 256
BATCH_CHARS = 1 << 20


@dataclass(frozen=True)
class RowJob:
    """Everything that is the same for all rows of one file."""

    path: Path
    name: str
    kind: str
    settings: Settings
    folders: Folders
    host_tokenizer: Any
    tokenizer: RowTokenizer

    @property
    def format(self) -> Format | None:
        """The format file that the rows go through: the chosen one for instructions, the usual one where there is no
        chat template either; None for the chat template.

        Raises:
            DataError: there is no such format.
        """
        if self.kind != "alpaca":
            return None
        chosen = reading_of(self.settings, self.folders.formats).format
        if chosen is not None and chosen.entries:
            return chosen
        if has_template(self.host_tokenizer, self.settings.chat_template):
            return None
        return load_format(USUAL_FORMAT, self.folders.formats)


def renderer_digest(job: RowJob) -> str:
    """A digest of the format or the host's template that this file's rows go through; "" for the model's own.

    Raises:
        DataError: there is no such format or template.
    """
    format_ = job.format
    if format_ is not None:
        return format_.digest
    name = job.settings.chat_template
    return digest(load_template(name, job.folders.instruction_templates)) if name else ""


def cached_row_samples(
    job: RowJob, key: tuple[str, ...], cache: PreparedCache | None, progress: Progress
) -> tuple[RowSamples, SourceReport]:
    """`row_samples`, out of the `cache` if they are there; `key` tells of content, tokenizer and renderer.

    Raises:
        DataError, Cancelled: as `row_samples`.
    """
    if cache is None:
        return row_samples(job, progress)
    relevant = {name: value for name, value in settings_parts(job.settings).items() if name not in _AFTERWARDS}
    full_key = cache_key(job.name, job.kind, _WAY_OF_RENDERING, key, relevant)
    found = cache.load(full_key)
    if found is not None:
        return RowSamples.from_arrays(found.arrays, job.name, job.tokenizer), SourceReport.of_rows(found.facts)
    samples, report = row_samples(job, progress)
    cache.store(full_key, Entry(samples.arrays(), dataclasses.asdict(report)))
    return samples, report


def row_samples(job: RowJob, progress: Progress) -> tuple[RowSamples, SourceReport]:
    """Samples of instruction or chat rows, and what became of the rows.

    Raises:
        DataError: the file, a row, the format or the template can't be used; no row is left.
        Cancelled: from `progress`.
    """
    settings = job.settings
    bad = BadRows(job.name, settings.bad_rows)
    renderer = make_renderer(job)
    arrays = RowArrays(job.tokenizer, settings.max_tokens, settings.too_long, bad)
    chars, size = 0, job.path.stat().st_size
    for batch in _batches(_ready_rows(job, renderer, bad)):
        arrays.add(batch)
        chars += sum(len(ready.row.text) for ready in batch)
        progress(min(chars, size), size, f"Tokenizing {job.name}")
    report = _report(job, arrays, bad, renderer)
    if not len(arrays):
        raise nothing_left(report)
    progress(size, size, f"Tokenizing {job.name}")
    return arrays.samples(job.name), report


def make_renderer(job: RowJob) -> RowRenderer:
    """What turns this file's rows into text.

    Raises:
        DataError: no format or template to do it with.
    """
    add_bos, add_eos = job.settings.add_bos, job.settings.eos != "none"
    columns = reading_of(job.settings, job.folders.formats).columns
    format_ = job.format
    if format_ is not None:
        return InstructionRenderer(format_, job.tokenizer, add_bos, add_eos, columns)
    template = make_template(job.host_tokenizer, job.settings.chat_template, job.folders.instruction_templates)
    return ChatRenderer(template, job.tokenizer, add_bos, add_eos, columns)


def _way_note(job: RowJob) -> list[str]:
    """What instructions go through where no format was chosen."""
    if job.kind != "alpaca" or job.settings.format:
        return []
    if job.format is not None:
        return [f"No Data Format is chosen and the model has no chat template: rows go through {job.format.name}."]
    return ["No Data Format is chosen: rows go through the chat template."]


def nothing_left(report: SourceReport) -> DataError:
    """The refusal of a file none of whose rows can be trained."""
    first = f" The first bad one: {report.bad_row_examples[0]}" if report.bad_row_examples else ""
    return DataError(
        f"{report.name}: of {report.rows_read} rows none is left to train on ({report.bad_rows} bad, "
        f"{report.unwanted_rows} marked as not to be learned, "
        f"{report.eliminated_long} too long, {report.eliminated_untrained} trimmed past their trained part); "
        f"correct the rows or raise the Maximum context length.{first}"
    )


def _ready_rows(job: RowJob, renderer: RowRenderer, bad: BadRows) -> Iterator[ReadyRow]:
    loss = loss_place(job.settings.loss_on, job.settings.train_only_after)
    for number, row in read_rows(job.path, bad):
        try:
            yield _ready(number, row, renderer, loss)
        except Unwanted:
            bad.unwanted += 1
        except RowFault as fault:
            bad.reject(number, str(fault), row)


def _ready(number: int, row: Row, renderer: RowRenderer, loss: LossPlace) -> ReadyRow:
    rendered = renderer.render(row)
    return ReadyRow(number, rendered, trained_spans(rendered, loss))


def _batches(rows: Iterator[ReadyRow]) -> Iterator[list[ReadyRow]]:
    batch: list[ReadyRow] = []
    chars = 0
    for ready in rows:
        batch.append(ready)
        chars += len(ready.row.text)
        if len(batch) >= BATCH_ROWS or chars >= BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _report(job: RowJob, arrays: RowArrays, bad: BadRows, renderer: RowRenderer) -> SourceReport:
    counts = arrays.counts
    left_out = bad.count + bad.unwanted + counts.eliminated_long + counts.eliminated_untrained
    return SourceReport(
        name=job.name,
        kind=job.kind,
        samples=len(arrays),
        rows_read=len(arrays) + left_out,
        bad_rows=bad.count,
        bad_row_examples=tuple(bad.examples),
        trimmed=counts.trimmed,
        trimmed_stops=counts.trimmed_stops,
        eliminated_long=counts.eliminated_long,
        eliminated_untrained=counts.eliminated_untrained,
        longest_row_tokens=counts.longest_tokens,
        unwanted_rows=bad.unwanted,
        notes=(*_way_note(job), *renderer.notes()),
    )
