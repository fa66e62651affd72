"""What was read and is not trained, as samples with the reason, so that a person can look at it.

Small blocks and what is left out because of the evaluation are views; rows that were dropped keep their first
`KEPT_ROW_TOKENS` tokens, and at most `KEPT_TOKENS` in all, which is 17 MB.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from training_pro.data.preview import BlockPreview
from training_pro.data.samples import Flags, Indices, Ints, Kinds, RowSamples, Sample, Samples, Subset, TextSamples

KEPT_ROW_TOKENS = 4096
KEPT_TOKENS = 1 << 22
TOO_LONG = "too-long"
UNTRAINED = "untrained"
_SHOWN = f"(at most {KEPT_ROW_TOKENS:,} of its tokens are shown)"
_REASONS = {
    TOO_LONG: f"left out: longer than the Maximum context length {_SHOWN}",
    UNTRAINED: f"left out: trimming would remove everything that is trained {_SHOWN}",
}
_SMALL = 'left out: not longer than "Ignore small blocks"'
_SHARED = "left out: shares text with the evaluation"
_TWIN = "left out: the same as an earlier one"


class LeftOut:
    """The samples of `whole`, each shown with the reason `why` it is not trained."""

    def __init__(self, whole: Samples, why: str) -> None:
        self.whole, self.why = whole, why

    @property
    def lengths(self) -> Ints:
        return self.whole.lengths

    @property
    def trained_counts(self) -> Ints:
        return self.whole.trained_counts

    @property
    def kinds(self) -> Kinds:
        return self.whole.kinds

    @property
    def is_split(self) -> Flags:
        return self.whole.is_split

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, index: int) -> Sample:
        return self.whole[index]

    def text(self, index: int) -> str:
        return self.whole.text(index)

    def written(self, index: int, with_ends: bool) -> str:
        return self.whole.written(index, with_ends)

    def preview(self, index: int) -> BlockPreview:
        return dataclasses.replace(self.whole.preview(index), why=self.why)


def left_out(samples: Samples, shared: Indices, twins: Indices) -> Iterator[LeftOut]:
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
