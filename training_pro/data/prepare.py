"""From the chosen files to samples: the one way that training, verify and preview all walk.

Costs the tokenizer's own time over the data; what was encoded before comes out of the cache, at some 2 seconds
a gigabyte. Data is read as a stream; texts stay on disk, rows take 4 bytes a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from training_pro.data.cache import PreparedCache, TextStore, cache_key
from training_pro.data.dropped import left_out
from training_pro.data.fingerprint import BLOCKS_OF, fingerprint, settings_parts, tokenizer_digest
from training_pro.data.holdout import Parts, hold_out
from training_pro.data.rendering.rendering import loss_place
from training_pro.data.report import DataReport, SourceReport
from training_pro.data.row_source import RowJob, cached_row_samples, renderer_digest
from training_pro.data.samples import Indices, Samples, Subset, TextSamples, mixed
from training_pro.data.sources import Source, chosen_sources, eval_source
from training_pro.data.text_source import TextJob, slicing_of, text_row_samples, text_samples
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.progress import Progress, no_progress
from training_pro.settings import Settings
from training_pro.text.blocks.budget import Slicing
from training_pro.text.blocks.slicing import encoding_identity
from training_pro.text.splitting.abbreviations import abbreviations_digest, read_abbreviations
from training_pro.text.tokenizing.encoding import TextEncoder

_NONE: Indices = np.zeros(0, np.int64)


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


@dataclass(frozen=True)
class _Made:
    source: Source
    samples: Samples
    report: SourceReport
    digest: str

    @property
    def blocks_digest(self) -> str:
        """Of a text, what its blocks are; "" of rows."""
        return self.samples.blocks.digest() if isinstance(self.samples, TextSamples) else ""


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
    sources, evaluation = chosen_sources(settings, folders), eval_source(settings, folders)
    workshop = _Workshop(settings, folders, tokenizer, progress or no_progress, cache)
    made = [workshop.make(source) for source in sources]
    made_eval = workshop.make(evaluation) if evaluation is not None else None
    parts = [_parts(one, settings) for one in made]
    train = mixed([Subset(one.samples, part.train) for one, part in zip(made, parts, strict=True)])
    if not len(train):
        raise DataError("No sample is left to train on; raise the percentages of the text and the dataset.")
    held = [Subset(one.samples, part.eval) for one, part in zip(made, parts, strict=True) if len(part.eval)]
    eval_samples = made_eval.samples if made_eval is not None else (mixed(held) if held else None)
    report = DataReport(
        sources=tuple(one.report for one in made),
        train_samples=len(train),
        eval_samples=len(eval_samples) if eval_samples is not None else 0,
        left_out=sum(len(part.left_out) for part in parts),
        eval_sources=(made_eval.report,) if made_eval is not None else (),
        model_max_tokens=model_max_tokens,
        notes=(*_notes(sources, settings, model_max_tokens), *(part.note for part in parts if part.note)),
    )
    all_made = [*made, made_eval] if made_eval is not None else made
    identity = {
        **{one.source.role: one.digest for one in all_made},
        "tokenizer": workshop.tokenizer_digest,
        **{BLOCKS_OF + one.source.role: one.blocks_digest for one in all_made if one.blocks_digest},
        "list of abbreviations": workshop.listed if any(one.source.is_text for one in all_made) else "",
        **settings_parts(settings),
    }
    dropped = [some for one, part in zip(made, parts, strict=True) for some in left_out(one.samples, part.left_out)]
    return Prepared(train, eval_samples, report, fingerprint(identity), identity, mixed(dropped) if dropped else None)


@dataclass(frozen=True)
class _Workshop:
    """What all sources of one preparation share; the tokenizers' copies are made when first needed."""

    settings: Settings
    folders: Folders
    host_tokenizer: Any
    progress: Progress
    use_cache: bool

    @cached_property
    def rows(self) -> RowTokenizer:
        return RowTokenizer(self.host_tokenizer)

    @cached_property
    def text(self) -> TextEncoder:
        return TextEncoder(self.host_tokenizer)

    @cached_property
    def slicing(self) -> Slicing:
        """How texts are sliced.

        Raises:
            DataError: the person's own list of abbreviations can't be used.
        """
        return slicing_of(self.settings, read_abbreviations(self.folders.abbreviations))

    @property
    def listed(self) -> str:
        return abbreviations_digest(self.slicing.abbreviations)

    @cached_property
    def cache(self) -> PreparedCache | None:
        return PreparedCache(self.folders.cache) if self.use_cache else None

    @cached_property
    def tokenizer_digest(self) -> str:
        return tokenizer_digest(self.host_tokenizer)

    def make(self, source: Source) -> _Made:
        """The source's samples.

        Raises:
            DataError: it can't be used, or was written to while it was read.
        """
        if source.kind != "text" and source.path.is_dir():
            raise DataError(f"{source.name} is a folder; only text files are read from folders: choose a file.")
        before, content = source.stamp(), source.content_digest()
        samples, report, renderer = self._samples(source, content)
        if source.stamp() != before:
            raise DataError(f"{source.name} was changed while it was read; try again.")
        return _Made(source, samples, report, f"{content} {renderer}".strip())

    def _samples(self, source: Source, content: str) -> tuple[Samples, SourceReport, str]:
        if source.is_text:
            store = self._text_store(source, content)
            text = TextJob(
                path=source.path,
                name=source.name,
                slicing=self.slicing,
                bad_rows=self.settings.bad_rows,
                encoder=self.text,
                tokenizer=self.rows,
                progress=self.progress,
                store=store,
            )
            return *(text_samples(text) if source.kind == "text" else text_row_samples(text)), ""
        job = RowJob(source.path, source.name, source.kind, self.settings, self.folders, self.host_tokenizer, self.rows)
        renderer = renderer_digest(job)
        key = (content, self.tokenizer_digest, renderer)
        return *cached_row_samples(job, key, self.cache, self.progress), renderer

    def _text_store(self, source: Source, content: str) -> TextStore | None:
        if self.cache is None:
            return None
        identity = encoding_identity(self.slicing, self.text)
        return TextStore(self.cache, cache_key(source.kind, content, self.tokenizer_digest, identity))


def _parts(made: _Made, settings: Settings) -> Parts:
    chosen = _sampled(len(made.samples), made.source.percent, settings.seed)
    if settings.eval_dataset or not settings.eval_percent or not len(chosen):
        return Parts(chosen, _NONE, _NONE)
    return hold_out(made.samples, chosen, settings.eval_percent, settings.seed)


def _sampled(count: int, percent: float, seed: int) -> Indices:
    """A seeded choice of so many per cent of `count`, in order; of a share above 0 at least one."""
    if percent >= 100:
        return np.arange(count)
    wanted = max(1, round(count * percent / 100)) if percent > 0 else 0
    return np.sort(np.random.default_rng((seed, 0)).permutation(count)[:wanted])


def _notes(sources: list[Source], settings: Settings, model_max_tokens: int | None) -> list[str]:
    notes = []
    place = loss_place(settings.loss_on, settings.train_only_after).place
    if place != settings.loss_on:
        notes.append(
            f'Rows are trained only after {settings.train_only_after!r}; clear "Train Only After" to train all.'
        )
    if place != "all" and any(source.is_text for source in sources):
        notes.append('Raw text is trained whole; "Train on" applies to instruction and chat rows.')
    if model_max_tokens and settings.max_tokens > model_max_tokens:
        notes.append(
            f"The Maximum context length is {settings.max_tokens} tokens, the model was made for {model_max_tokens}; "
            "lower it."
        )
    return notes
