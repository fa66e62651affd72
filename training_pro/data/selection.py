"""Which of the samples that were made are trained, held out for evaluation, and left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training_pro.data.duplicates import repeated
from training_pro.data.holdout import Parts, hold_out
from training_pro.data.row_encoding import KEPT_ROW_TOKENS, TOO_LONG, UNTRAINED
from training_pro.data.samples import Indices, LeftOut, RowSamples, Samples, Subset, TextSamples, mixed
from training_pro.data.workshop import SourceSamples
from training_pro.errors import DataError
from training_pro.progress import Progress
from training_pro.settings import Settings

_SHOWN = f"(at most {KEPT_ROW_TOKENS:,} of its tokens are shown)"
_REASONS = {
    TOO_LONG: f"left out: longer than the Maximum context length {_SHOWN}",
    UNTRAINED: f"left out: trimming would remove everything that is trained {_SHOWN}",
}
_SMALL = 'left out: not longer than "Ignore small blocks"'
_SHARED = "left out: shares text with the evaluation"
_TWIN = "left out: the same as an earlier one"
_NONE: Indices = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Selection:
    """`train`: the samples to train on, as often as their sources' shares say. `held_out`: those to evaluate on;
    None: none. `dropped`: what is in neither, as far as it is kept; None: nothing. `left_out`: how many samples share
    text with the evaluation, `twins`: how many are duplicates. `notes` say what was held out."""

    train: Samples
    held_out: Samples | None
    dropped: Samples | None
    left_out: int
    twins: int
    notes: tuple[str, ...]


def select(made: Sequence[SourceSamples], settings: Settings, progress: Progress) -> Selection:
    """The selection among the samples of all sources; with `skip_duplicates` a sample counts once in all of them.

    Raises:
        DataError: nothing is left to train on.
        Cancelled: from `progress`.
    """
    seen: set[bytes] = set()
    chosen = [_choose(one, settings, seen, progress) for one in made]
    train = mixed([one.train for one in chosen])
    if not len(train):
        raise DataError(
            "No sample is left to train on. Raise the percentages of the text and the dataset.",
            option=("--set hybrid_text_percent=100", "--set hybrid_data_percent=100"),
            setting="hybrid_data_percent",
        )
    held_out = [one.held_out for one in chosen if len(one.held_out)]
    dropped = [some for one in chosen for some in one.dropped]
    return Selection(
        train=train,
        held_out=mixed(held_out) if held_out else None,
        dropped=mixed(dropped) if dropped else None,
        left_out=sum(one.left_out for one in chosen),
        twins=sum(one.twins for one in chosen),
        notes=tuple(one.note for one in chosen if one.note),
    )


@dataclass(frozen=True)
class _Chosen:
    """The same of one source."""

    dropped: Sequence[LeftOut]
    train: Samples
    held_out: Samples
    left_out: int
    twins: int
    note: str


def _choose(made: SourceSamples, settings: Settings, seen: set[bytes], progress: Progress) -> _Chosen:
    """`seen` are the contents of the samples of earlier sources, where duplicates are left out."""
    samples, share = made.samples, made.source.share
    whole = int(share)
    chosen = _random_part(samples, 1.0 if whole else share, settings.seed)
    twins = _NONE
    if settings.skip_duplicates:
        flags = repeated(samples, chosen, seen, progress)
        chosen, twins = chosen[~flags], chosen[flags]
    if settings.eval_dataset or not settings.eval_percent or not len(chosen):
        parts = Parts(chosen, _NONE, _NONE)
    else:
        parts = hold_out(samples, chosen, settings.eval_percent, settings.seed)
    more = _random_part(parts.train, share - whole, settings.seed) if whole and share > whole else _NONE
    trained = np.concatenate([*[parts.train] * max(whole, 1), parts.train[more]])
    return _Chosen(
        dropped=tuple(_left_out(samples, parts.left_out, twins)),
        train=Subset(samples, trained),
        held_out=Subset(samples, parts.eval),
        left_out=len(parts.left_out),
        twins=len(twins),
        note=parts.note,
    )


def _left_out(samples: Samples, shared: Indices, twins: Indices) -> Iterator[LeftOut]:
    """What became no part of `samples`, and of them those numbered `shared`, which share text with the evaluation, and
    `twins`, which are duplicates."""
    if isinstance(samples, TextSamples) and len(samples.blocks.small):
        yield LeftOut(samples.small(), _SMALL)
    if isinstance(samples, RowSamples):
        yield from (LeftOut(rows, _REASONS[reason]) for reason, rows in samples.dropped.items() if len(rows))
    if len(shared):
        yield LeftOut(Subset(samples, shared), _SHARED)
    if len(twins):
        yield LeftOut(Subset(samples, twins), _TWIN)


def _random_part(whole: Samples | Indices, share: float, seed: int) -> Indices:
    """A random part of the numbers of `whole`, in order; the same for the same seed, at least one for a share above
    0."""
    count = len(whole)
    if share >= 1:
        return np.arange(count)
    wanted = max(1, round(count * share)) if share > 0 and count else 0
    return np.sort(np.random.default_rng((seed, 0)).permutation(count)[:wanted])
