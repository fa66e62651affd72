"""From the chosen files to samples: the one way that training, verify and preview all walk.

Costs the tokenizer's own time over the data; what was encoded before comes out of the cache, at some 2 seconds
a gigabyte. Data is read as a stream; texts stay on disk, rows take 4 bytes a token.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.data.cache import PreparedCache
from training_pro.data.fingerprint import BLOCKS_OF, ROWS_OF, fingerprint, settings_parts, tokenizer_digest
from training_pro.data.idle_settings import idle_settings
from training_pro.data.rendering.formats import reading_of
from training_pro.data.rendering.rendering import loss_place
from training_pro.data.report import DataReport, run_notes
from training_pro.data.row_source import row_samples
from training_pro.data.samples import Samples, mixed
from training_pro.data.selection import select
from training_pro.data.sources import Source, chosen_sources, detected
from training_pro.data.text_parts import forget_oldest
from training_pro.data.text_source import text_row_samples, text_samples
from training_pro.data.tokens import RowTokenizer
from training_pro.data.workshop import SourceSamples, Workshop, encoders_for, slicing_of
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.progress import Progress, no_progress
from training_pro.settings import Settings
from training_pro.text.splitting.abbreviations import abbreviations_digest, read_abbreviations

_SAMPLES_OF = {"text": text_samples, "text rows": text_row_samples}  # and of any other kind: row_samples


@dataclass(frozen=True)
class Prepared:
    """A run's samples. `fingerprint` is one digest over `fingerprint_parts`, which name what it is made of.

    `dropped` is what was read for training and is not trained, as far as it is kept; None: nothing.
    """

    train: Samples
    eval: Samples | None
    report: DataReport
    fingerprint: str
    fingerprint_parts: Mapping[str, Any]
    dropped: Samples | None = None


def prepare(
    settings: Settings,
    tokenizer: Any,
    folders: Folders,
    *,
    model_max_tokens: int | None = None,
    progress: Progress | None = None,
    cache: bool = True,
) -> Prepared:
    """The samples of the run that `settings` describe. `tokenizer` is the host's; it is not changed.

    `cache` keeps encoded rows and texts under `folders.cache` and takes them from there.

    Raises:
        DataError: one sentence on the file, row, format or template that can't be used.
        Cancelled: from `progress`.
    """
    tools, made = _made(settings, tokenizer, folders, progress or no_progress, cache)
    trained = [one for one in made if not one.source.is_evaluation]
    evaluated = [one for one in made if one.source.is_evaluation]
    parts = _parts(made, tools)
    selection = select(trained, settings, tools.progress)
    eval_samples = mixed([one.samples for one in evaluated]) if evaluated else selection.held_out
    report = DataReport(
        sources=tuple(one.report for one in trained),
        train_samples=len(selection.train),
        eval_samples=len(eval_samples) if eval_samples is not None else 0,
        left_out=selection.left_out,
        twins_left_out=selection.twins,
        eval_sources=tuple(one.report for one in evaluated),
        model_max_tokens=model_max_tokens,
        notes=(
            *run_notes([one.source for one in trained], settings, tools.loss, model_max_tokens),
            *idle_settings(settings, {one.source.kind for one in made}),
            *selection.notes,
        ),
    )
    return Prepared(selection.train, eval_samples, report, fingerprint(parts), parts, selection.dropped)


def _made(
    settings: Settings, tokenizer: Any, folders: Folders, progress: Progress, cache: bool
) -> tuple[Workshop, list[SourceSamples]]:
    """What was decided for all sources, once; and what each of them became with that."""
    chosen = chosen_sources(settings, folders)
    reading = reading_of(settings, folders.formats)
    sources = [detected(source, reading) for source in chosen]
    texts = {source.kind for source in sources if source.is_text}
    abbreviations = read_abbreviations(folders.abbreviations) if texts else frozenset()
    with tempfile.TemporaryDirectory(prefix="training_pro_", ignore_cleanup_errors=True) as spare:
        tools = Workshop(
            settings=settings,
            folders=folders,
            host_tokenizer=tokenizer,
            tokenizer_digest=tokenizer_digest(tokenizer),
            counted_settings=settings_parts(settings),
            rows=RowTokenizer(tokenizer),
            reading=reading,
            loss=loss_place(settings.loss_on, settings.train_only_after),
            abbreviations_digest=abbreviations_digest(abbreviations) if abbreviations else "",
            slicing=slicing_of(settings, abbreviations),
            encoders=encoders_for(texts, settings.control_tokens, tokenizer),
            converted=folders.converted if cache else Path(spare),
            cache=PreparedCache(folders.cache) if cache else None,
            progress=progress,
        )
        made = [_samples_of(source, tools) for source in sources]
    if cache:
        forget_oldest(folders.converted)
    return tools, made


def _samples_of(source: Source, tools: Workshop) -> SourceSamples:
    """Raises:
    DataError: the source was changed while it was read, or can't be used.
    """
    before = source.stamp()
    made = _SAMPLES_OF.get(source.kind, row_samples)(source, tools)
    if source.stamp() != before:
        raise DataError(f"{source.name} was changed while it was read. Try again.")
    return made


def _parts(made: Sequence[SourceSamples], tools: Workshop) -> dict[str, Any]:
    """What the fingerprint is made of: the sources, how often each is trained, and all that decides on its samples."""
    often = {one.source.role: "" if one.source.share == 1 else f"x{one.source.share:g}" for one in made}
    return {
        **{one.source.role: " ".join(filter(None, (*one.made_of, often[one.source.role]))) for one in made},
        "tokenizer": tools.tokenizer_digest,
        **{(BLOCKS_OF if one.source.is_text else ROWS_OF) + one.source.role: one.digest for one in made},
        "list of abbreviations": tools.abbreviations_digest,
        **tools.counted_settings,
    }
