"""From the chosen files to samples: the one way that training, verify and preview all walk.

Costs the tokenizer's own time over the data; what was encoded before comes out of the cache, at some 2 seconds
a gigabyte. Data is read as a stream; texts stay on disk, rows take 4 bytes a token.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from training_pro.data.cache import PreparedCache, TextStore, cache_key
from training_pro.data.dropped import left_out
from training_pro.data.duplicates import repeated
from training_pro.data.fingerprint import (
    BLOCKS_OF,
    ROWS_OF,
    files_digest,
    fingerprint,
    settings_parts,
    tokenizer_digest,
)
from training_pro.data.holdout import Parts, hold_out
from training_pro.data.rendering.formats import reading_of
from training_pro.data.rendering.rendering import loss_place
from training_pro.data.report import DataReport, SourceReport
from training_pro.data.row_source import RowJob, cached_row_samples, renderer_digest
from training_pro.data.samples import Indices, RowSamples, Samples, Subset, TextSamples, mixed
from training_pro.data.sources import Source, chosen_sources, eval_sources
from training_pro.data.text_parts import forget_oldest, text_parts
from training_pro.data.text_source import TextJob, means_tokens, slicing_of, text_row_samples, text_samples
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
    sources, evaluation = chosen_sources(settings, folders), eval_sources(settings, folders)
    with tempfile.TemporaryDirectory(prefix="training_pro_", ignore_cleanup_errors=True) as spare:
        place = folders.converted if cache else Path(spare)
        workshop = _Workshop(settings, folders, tokenizer, progress or no_progress, place, cache)
        made = [workshop.make(source) for source in sources]
        made_eval = [workshop.make(source) for source in evaluation]
    if cache:
        forget_oldest(folders.converted)
    return _prepared(workshop, made, made_eval, model_max_tokens)


@dataclass(frozen=True)
class _Made:
    source: Source
    samples: Samples
    report: SourceReport
    digest: str

    def became(self) -> dict[str, str]:
        """A digest of the blocks of a text or of the rendered rows, by the name of that part of the fingerprint."""
        if isinstance(self.samples, TextSamples):
            return {BLOCKS_OF + self.source.role: self.samples.blocks.digest()}
        return {ROWS_OF + self.source.role: self.samples.digest()} if isinstance(self.samples, RowSamples) else {}


@dataclass(frozen=True)
class _Chosen:
    """Which of a source's samples are trained, held out and left out; `twins` are left out as duplicates."""

    made: _Made
    parts: Parts
    train: Samples
    twins: Indices


def _prepared(
    workshop: _Workshop, made: Sequence[_Made], made_eval: Sequence[_Made], model_max_tokens: int | None
) -> Prepared:
    settings = workshop.settings
    seen: set[bytes] = set()
    chosen = [_choose(one, settings, seen, workshop.progress) for one in made]
    train = mixed([one.train for one in chosen])
    if not len(train):
        raise DataError(
            "No sample is left to train on; raise the percentages of the text and the dataset.",
            option=("--set hybrid_text_percent=100", "--set hybrid_data_percent=100"),
            setting="hybrid_data_percent",
        )
    held = [Subset(one.made.samples, one.parts.eval) for one in chosen if len(one.parts.eval)]
    evaluated = [one.samples for one in made_eval] or held
    eval_samples = mixed(evaluated) if evaluated else None
    report = DataReport(
        sources=tuple(one.report for one in made),
        train_samples=len(train),
        eval_samples=len(eval_samples) if eval_samples is not None else 0,
        left_out=sum(len(one.parts.left_out) for one in chosen),
        twins_left_out=sum(len(one.twins) for one in chosen),
        eval_sources=tuple(one.report for one in made_eval),
        model_max_tokens=model_max_tokens,
        notes=(
            *_notes(made, settings, model_max_tokens),
            *(one.parts.note for one in chosen if one.parts.note),
        ),
    )
    identity = _identity(workshop, [*made, *made_eval])
    dropped = [some for one in chosen for some in left_out(one.made.samples, one.parts.left_out, one.twins)]
    return Prepared(train, eval_samples, report, fingerprint(identity), identity, mixed(dropped) if dropped else None)


def _identity(workshop: _Workshop, made: Sequence[_Made]) -> dict[str, Any]:
    """What the samples are made of, part by part."""
    return {
        **{one.source.role: one.digest for one in made},
        "tokenizer": workshop.tokenizer_digest,
        **{part: value for one in made for part, value in one.became().items()},
        "list of abbreviations": workshop.listed if any(one.source.is_text for one in made) else "",
        **settings_parts(workshop.settings),
    }


@dataclass(frozen=True)
class _Workshop:
    """What all sources of one preparation share; the tokenizers' copies are made when first needed.

    `converted` is where the texts of documents go.
    """

    settings: Settings
    folders: Folders
    host_tokenizer: Any
    progress: Progress
    converted: Path
    use_cache: bool

    @cached_property
    def rows(self) -> RowTokenizer:
        return RowTokenizer(self.host_tokenizer)

    @cached_property
    def plain(self) -> TextEncoder:
        return TextEncoder(self.host_tokenizer)

    @cached_property
    def with_control_tokens(self) -> TextEncoder:
        return TextEncoder(self.host_tokenizer, control_tokens=True)

    def encoder(self, kind: str) -> TextEncoder:
        """The encoder for texts of this kind: special strings in them are control tokens or plain characters."""
        return self.with_control_tokens if means_tokens(self.settings.control_tokens, kind) else self.plain

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
        before = source.stamp()
        make = {"text": self._of_text, "text rows": self._of_text_rows}.get(source.kind, self._of_rows)
        made = make(source)
        if source.stamp() != before:
            raise DataError(f"{source.name} was changed while it was read; try again.")
        return made

    def _of_text(self, source: Source) -> _Made:
        parts = text_parts(source.path, source.name, self.converted, self.progress)
        content = files_digest([part.path for part in parts])
        return _Made(source, *text_samples(self._text_job(source, content), parts), _told(source, content))

    def _of_text_rows(self, source: Source) -> _Made:
        content = source.content_digest()
        return _Made(source, *text_row_samples(self._text_job(source, content)), _told(source, content))

    def _of_rows(self, source: Source) -> _Made:
        content = source.content_digest()
        job = RowJob(source.path, source.name, source.kind, self.settings, self.folders, self.host_tokenizer, self.rows)
        renderer = renderer_digest(job)
        key = (content, self.tokenizer_digest, renderer)
        return _Made(source, *cached_row_samples(job, key, self.cache, self.progress), _told(source, content, renderer))

    def _text_job(self, source: Source, content: str) -> TextJob:
        store, encoder = None, self.encoder(source.kind)
        columns = reading_of(self.settings, self.folders.formats).columns
        if self.cache is not None:
            identity = encoding_identity(self.slicing, encoder)
            key = cache_key(source.kind, content, self.tokenizer_digest, identity, str(columns))
            store = TextStore(self.cache, key)
        return TextJob(
            path=source.path,
            name=source.name,
            slicing=self.slicing,
            bad_rows=self.settings.bad_rows,
            encoder=encoder,
            tokenizer=self.rows,
            progress=self.progress,
            store=store,
            columns=columns,
        )


def _told(source: Source, *digests: str) -> str:
    """What a source's samples are made of, and how often they are trained."""
    often = "" if source.share == 1 else f"x{source.share:g}"
    return " ".join(filter(None, (*digests, often)))


def _choose(made: _Made, settings: Settings, seen: set[bytes], progress: Progress) -> _Chosen:
    """The samples of one source; `seen` are the contents of those before it, where duplicates are left out."""
    share = made.source.share
    whole = int(share)
    chosen = _sampled(len(made.samples), 1.0 if whole else share, settings.seed)
    twins = _NONE
    if settings.skip_duplicates:
        flags = repeated(made.samples, chosen, seen, progress)
        chosen, twins = chosen[~flags], chosen[flags]
    if settings.eval_dataset or not settings.eval_percent or not len(chosen):
        parts = Parts(chosen, _NONE, _NONE)
    else:
        parts = hold_out(made.samples, chosen, settings.eval_percent, settings.seed)
    more = _sampled(len(parts.train), share - whole, settings.seed) if whole and share > whole else _NONE
    trained = np.concatenate([*[parts.train] * max(whole, 1), parts.train[more]])
    return _Chosen(made, parts, Subset(made.samples, trained), twins)


def _sampled(count: int, share: float, seed: int) -> Indices:
    """A random part of `count` numbers, in order; the same for the same seed, at least one for a share above 0."""
    if share >= 1:
        return np.arange(count)
    wanted = max(1, round(count * share)) if share > 0 and count else 0
    return np.sort(np.random.default_rng((seed, 0)).permutation(count)[:wanted])


def _notes(made: Sequence[_Made], settings: Settings, model_max_tokens: int | None) -> list[str]:
    notes = [
        f"{one.source.name}: each sample is trained {one.source.share:g} times an epoch."
        for one in made
        if one.source.share > 1
    ]
    place = loss_place(settings.loss_on, settings.train_only_after).place
    if place != settings.loss_on:
        notes.append(
            f'Rows are trained only after {settings.train_only_after!r}; clear "Train Only After" to train all.'
        )
    if place != "all" and any(one.source.is_text for one in made):
        notes.append('Raw text is trained whole; "Train on" applies to instruction and chat rows.')
    if model_max_tokens and settings.max_tokens > model_max_tokens:
        notes.append(
            f"The Maximum context length is {settings.max_tokens} tokens, the model was made for {model_max_tokens}; "
            "lower it."
        )
    return notes
