"""Runs of whole sentences: how many ids each has, and which.

A run's count is a sum of four numbers; only runs too short to hold a safe cut are encoded for it. Stands between
sentences and blocks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training_pro.text.blocks.corpus import Offsets
from training_pro.text.blocks.indexed_text import IndexedText
from training_pro.text.tokenizing.encoding import Ids

_BATCH = 4096


class Runs:
    """Reads runs of sentences, given by their first and last sentence.

    The count of ids in a run from i to j is ``after[j] - before[i]`` wherever `readable`.
    `is_last` (sentences,): whether a sentence is its section's last.
    """

    def __init__(self, text: IndexedText) -> None:
        self.text = text
        table = text.sentences
        self.before: Offsets = table.head_ids - text.patches.lengths(table.heads)
        self.after: Offsets = table.tail_ids + text.patches.lengths(table.tails)
        self.is_last: npt.NDArray[np.bool_] = np.append(table.sections[1:] != table.sections[:-1], True)[: len(table)]

    def readable(self, firsts: npt.NDArray[np.integer], lasts: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Whether a safe cut lies in each run, so that it can be read from the text's own ids."""
        table = self.text.sentences
        within: npt.NDArray[np.bool_] = table.head_cuts[firsts] <= table.tail_cuts[lasts]
        return within

    def is_readable(self, first: int, last: int) -> bool:
        """The same for one run."""
        table = self.text.sentences
        return bool(table.head_cuts[first] <= table.tail_cuts[last])

    def counts(self, firsts: npt.NDArray[np.integer], lasts: npt.NDArray[np.integer]) -> Offsets:
        """The exact number of ids of each run."""
        counts: Offsets = self.after[lasts] - self.before[firsts]
        unreadable = np.flatnonzero(~self.readable(firsts, lasts))
        for at in range(0, len(unreadable), _BATCH):
            some = unreadable[at : at + _BATCH]
            pairs = zip(firsts[some].tolist(), lasts[some].tolist(), strict=True)
            texts = [self.string(first, last) for first, last in pairs]
            counts[some] = [len(ids) for ids in self.text.encoder.encode_many(texts)]
        return counts

    def count(self, first: int, last: int) -> int:
        """The exact number of ids of one run."""
        if self.is_readable(first, last):
            return int(self.after[last] - self.before[first])
        return self.text.encoder.count(self.string(first, last))

    def string(self, first: int, last: int) -> str:
        table = self.text.sentences
        return self.text.corpus.text(int(table.starts[first]), int(table.ends[last]))

    def ids(self, first: int, last: int) -> Ids:
        """The ids of a run: those of its text alone."""
        text, table = self.text, self.text.sentences
        if not self.is_readable(first, last):
            return text.encoder.encode(self.string(first, last))
        head, tail = text.patches.ids(int(table.heads[first])), text.patches.ids(int(table.tails[last]))
        return np.concatenate([head, text.ids[table.head_ids[first] : table.tail_ids[last]], tail])
