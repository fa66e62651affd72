"""A dataset file to samples: rows are read, rendered and encoded in batches, nothing is kept but tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from training_pro.data.cache import CacheEntry, cache_key
from training_pro.data.fingerprint import digest, files_digest
from training_pro.data.rendering.chat import ChatRenderer
from training_pro.data.rendering.formats import USUAL_FORMAT, Format, InstructionRenderer, load_format
from training_pro.data.rendering.rendering import LossPlace, RenderedRow, RowRenderer, trained_spans
from training_pro.data.rendering.templates import has_template, load_template, make_template
from training_pro.data.report import SourceReport
from training_pro.data.row_encoding import ReadyRow, RowArrays, broken_character
from training_pro.data.rows.bad_rows import BadRows, RowFault, Unwanted
from training_pro.data.rows.rows import Row, read_rows
from training_pro.data.samples import RowSamples
from training_pro.data.sources import Source
from training_pro.data.workshop import SourceSamples, Workshop
from training_pro.errors import DataError
from training_pro.settings import Settings
from training_pro.text.stray_characters import RowStrays

_AFTERWARDS = ("seed", "skip_duplicates", "hybrid", "hybrid_data_percent", "hybrid_text_percent", "eval_percent")
_WAY_OF_RENDERING = 10  # raised when rows become other tokens, or more is said of them, than with the code before
BATCH_ROWS = 256
BATCH_CHARS = 1 << 20


def row_samples(source: Source, workshop: Workshop) -> SourceSamples:
    """Samples of instruction or chat rows and what became of the rows, out of the cache if they are there.

    Raises:
        DataError: the file, a row, the format or the template can't be used; no row is left.
        Cancelled: from the workshop's `progress`.
    """
    format_ = _format(source, workshop)
    renderer = _renderer_digest(format_, workshop)
    content = files_digest(source.files())
    samples, report = _kept_or_encoded(source, workshop, format_, (content, workshop.tokenizer_digest, renderer))
    return SourceSamples(source, samples, report, (content, renderer), samples.digest())


def _kept_or_encoded(
    source: Source, workshop: Workshop, format_: Format | None, made_of: tuple[str, ...]
) -> tuple[RowSamples, SourceReport]:
    """Out of the cache, where what they are `made_of` is part of their key; else made, and kept there."""
    cache = workshop.cache
    if cache is None:
        return encoded_rows(source, workshop, format_)
    relevant = {name: value for name, value in workshop.counted_settings.items() if name not in _AFTERWARDS}
    columns = str(workshop.reading.columns)  # which may come out of a format file
    key = cache_key(source.name, source.kind, _WAY_OF_RENDERING, made_of, columns, relevant)
    found = cache.load(key)
    if found is not None:
        return RowSamples.from_arrays(found.arrays, source.name, workshop.rows), SourceReport.of_rows(found.facts)
    samples, report = encoded_rows(source, workshop, format_)
    cache.store(key, CacheEntry(samples.arrays(), dataclasses.asdict(report)))
    return samples, report


def _format(source: Source, workshop: Workshop) -> Format | None:
    """The format file that the rows go through: the chosen one for instructions, the usual one where there is no chat
    template either; None for the chat template.

    Raises:
        DataError: there is no such format.
    """
    if source.kind != "alpaca":
        return None
    chosen = workshop.reading.format
    if chosen is not None and chosen.entries:
        return chosen
    if has_template(workshop.host_tokenizer, workshop.settings.chat_template):
        return None
    return load_format(USUAL_FORMAT, workshop.folders.formats)


def _renderer_digest(format_: Format | None, workshop: Workshop) -> str:
    """A digest of the format or the host's template that the rows go through; "" for the model's own.

    Raises:
        DataError: there is no such template.
    """
    if format_ is not None:
        return format_.digest
    name = workshop.settings.chat_template
    return digest(load_template(name, workshop.folders.instruction_templates)) if name else ""


def encoded_rows(source: Source, workshop: Workshop, format_: Format | None) -> tuple[RowSamples, SourceReport]:
    """The rows read, rendered and encoded, a batch at a time.

    Raises:
        DataError, Cancelled: as `row_samples`.
    """
    settings, progress = workshop.settings, workshop.progress
    bad = BadRows(source.name, settings.bad_rows)
    renderer = _renderer(workshop, format_)
    arrays = RowArrays(workshop.rows, settings.max_tokens, settings.too_long, bad)
    strays = RowStrays()
    chars, size = 0, source.path.stat().st_size
    rows = read_rows(source.path, bad, workshop.reading.columns.names_fields)
    ready_rows = _ready_rows(rows, renderer, workshop.loss, bad)
    for batch in _batches(ready_rows):
        arrays.add(batch)
        strays.look(ready.row.text for ready in batch)
        chars += sum(len(ready.row.text) for ready in batch)
        progress(min(chars, size), size, f"Tokenizing {source.name}")
    notes = (*bad.unread_notes(), *_way_notes(source, settings, format_), *renderer.notes(), *strays.notes())
    report = _report(source, arrays, bad, renderer.more_rows, notes)
    if not len(arrays):
        raise nothing_left(report)
    progress(size, size, f"Tokenizing {source.name}")
    return arrays.samples(source.name), report


def _renderer(workshop: Workshop, format_: Format | None) -> RowRenderer:
    """What turns the rows into text.

    Raises:
        DataError: no format or template to do it with.
    """
    settings, columns = workshop.settings, workshop.reading.columns
    add_bos, add_eos = settings.add_bos, settings.eos != "none"
    if format_ is not None:
        return InstructionRenderer(format_, workshop.rows, add_bos, add_eos, columns)
    folder = workshop.folders.instruction_templates
    template = make_template(workshop.host_tokenizer, settings.chat_template, folder)
    return ChatRenderer(template, workshop.rows, add_bos, add_eos, columns, _fits(workshop))


def _fits(workshop: Workshop) -> Callable[[RenderedRow], bool] | None:
    """Whether a row's tokens fit into the context; None where long rows are not split."""
    if workshop.settings.too_long != "split":
        return None

    def fits(row: RenderedRow) -> bool:
        if broken_character(row.text):
            return True  # it is refused when its tokens are made
        ids = workshop.rows.encode([row.text], with_offsets=False)[0].ids
        return len(ids) + row.add_bos + row.add_eos <= workshop.settings.max_tokens

    return fits


def _way_notes(source: Source, settings: Settings, format_: Format | None) -> list[str]:
    """What instructions go through where no format was chosen."""
    if source.kind != "alpaca" or settings.format:
        return []
    if format_ is not None:
        return [f"No Data Format is chosen and the model has no chat template: rows go through {format_.name}."]
    return ["No Data Format is chosen: rows go through the chat template."]


def nothing_left(report: SourceReport) -> DataError:
    """The refusal of a file none of whose rows can be trained."""
    first = f" The first bad one: {report.bad_row_examples[0]}" if report.bad_row_examples else ""
    return DataError(
        f"{report.name}: of {report.rows_read} rows none is left to train on ({report.bad_rows} bad, "
        f"{report.unwanted_rows} marked as not to be learned or without an answer, "
        f"{report.eliminated_long} too long, {report.eliminated_untrained} trimmed past their trained part). "
        f"Correct the rows or raise the Maximum context length.{first}"
    )


def _ready_rows(
    rows: Iterable[tuple[int, Row]], renderer: RowRenderer, loss: LossPlace, bad: BadRows
) -> Iterator[ReadyRow]:
    for number, row in rows:
        try:
            texts = renderer.render_all(row)
        except Unwanted:
            bad.unwanted += 1
            continue
        except RowFault as fault:
            bad.reject(number, str(fault), row)
            continue
        for text in texts:
            try:
                ready = ReadyRow(number, text, trained_spans(text, loss))
            except Unwanted:
                bad.unwanted += 1
            except RowFault as fault:
                bad.reject(number, str(fault), row)
            else:
                yield ready


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


def _report(source: Source, arrays: RowArrays, bad: BadRows, more_rows: int, notes: tuple[str, ...]) -> SourceReport:
    """What became of the rows, of which `more_rows` were made by splitting others."""
    counts = arrays.counts
    left_out = bad.count + bad.unwanted + counts.eliminated_long + counts.eliminated_untrained
    return SourceReport(
        name=source.name,
        kind=source.kind,
        samples=len(arrays),
        rows_read=len(arrays) + left_out - more_rows,
        bad_rows=bad.count,
        bad_row_examples=tuple(bad.examples),
        trimmed=counts.trimmed,
        trimmed_stops=counts.trimmed_stops,
        eliminated_long=counts.eliminated_long,
        eliminated_untrained=counts.eliminated_untrained,
        longest_row_tokens=counts.longest_tokens,
        row_tokens=counts.tokens,
        lost_tokens=counts.lost_tokens,
        unwanted_rows=bad.unwanted,
        notes=notes,
    )
