"""A text's ids in one array, and for each sentence what it takes to read any run of sentences from it.

A run of sentences i to j is read as

    patch before sentence i + ids[head_ids[i] : tail_ids[j]] + patch after sentence j

because ids differ from the text's own only before the first safe cut after i's start, and after the last one before
j's end. So a run's count is a sum of four numbers; only runs too short to hold a safe cut are encoded for it. Costs
48 bytes a sentence in memory. `indexing` makes it; blocks are made of it.
"""

from __future__ import annotations

import dataclasses
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pro.text.blocks.corpus import Corpus, Offsets
from training_pro.text.tokenizing.encoding import Ids, TextEncoder

Arrays = dict[str, npt.NDArray[Any]]

NOWHERE = int(np.iinfo(np.int64).max)  # a cut past everything
NO_PATCH = 0
_MOST_REMEMBERED = 100_000  # edges; more would cost more memory than encoding them again costs time
_BATCH = 4096


@dataclass(frozen=True)
class SentenceTable:
    """One entry per sentence, in the text's order; offsets are bytes of the corpus, ids are places in the id array.

    A long sentence has several entries, from one inner border to the next; `inner` marks all of them but the first.

    starts, ends: the sentence without white space around it. sections: the number of its section.
    head_cuts, head_ids: the first safe cut after its start, and the id there; before it stands patch `heads`.
    tail_cuts, tail_ids: the last safe cut up to its end, and the id there; after it stands patch `tails`.
    Where a section can't be encoded in pieces, head_cuts are past everything, so that no run reads from the array.
    """

    starts: Offsets
    ends: Offsets
    sections: Offsets
    inner: npt.NDArray[np.bool_]
    head_cuts: Offsets
    head_ids: Offsets
    heads: Ids
    tail_cuts: Offsets
    tail_ids: Offsets
    tails: Ids

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class IndexedText:
    """`ids` int32; `opaque` (sections,) bool: those that can't be encoded in pieces.

    `forced` int64, rising: the numbers of those sentences that end only because a stretch does (see `Stretch`); each
    continues in the next one. `pieces` int64, rising: the numbers of those sentences that are pieces of one that was
    too long for a block.
    """

    corpus: Corpus
    encoder: TextEncoder
    ids: Ids
    patches: Patches
    sentences: SentenceTable
    opaque: npt.NDArray[np.bool_]
    forced: Offsets
    pieces: Offsets = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def arrays(self) -> Arrays:
        """What `restored` makes the same text of: some twice the room that the text itself takes."""
        patch_ids, patch_ends = self.patches.arrays()
        columns = {f"sentence_{name}": getattr(self.sentences, name) for name in _COLUMNS}
        own = {"ids": self.ids, "opaque": self.opaque, "forced": self.forced, "documents": self.corpus.starts}
        return {**columns, **own, "patch_ids": patch_ids, "patch_ends": patch_ends}

    @classmethod
    def restored(cls, arrays: Arrays, corpus: Corpus, encoder: TextEncoder) -> IndexedText | None:
        """The text whose `arrays` these are; None: they are of other documents than those of `corpus`."""
        if not np.array_equal(arrays["documents"], corpus.starts):
            return None
        return cls(
            corpus=corpus,
            encoder=encoder,
            ids=arrays["ids"],
            patches=Patches.restored(encoder, arrays["patch_ids"], arrays["patch_ends"]),
            sentences=SentenceTable(**{name: arrays[f"sentence_{name}"] for name in _COLUMNS}),
            opaque=arrays["opaque"],
            forced=arrays["forced"],
        )


_COLUMNS = tuple(column.name for column in dataclasses.fields(SentenceTable))


class Patches:
    """The ids at blocks' edges, each by number; patch 0 is empty.

    Few edges differ ("He", "The", ...), so what was encoded lately is looked up.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._remembered: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})
        self._ids = array("i")
        self._ends = array("q", [0])
        self._fillers: dict[int, int] = {}

    @classmethod
    def restored(cls, encoder: TextEncoder, ids: Ids, ends: npt.NDArray[np.int64]) -> Patches:
        """The patches whose `arrays` these are."""
        patches = cls(encoder)
        patches._ids, patches._ends = array("i", ids.tobytes()), array("q", ends.tobytes())
        return patches

    def arrays(self) -> tuple[Ids, npt.NDArray[np.int64]]:
        """All ids one after another, and where each patch ends."""
        return np.array(self._ids, dtype=np.int32), np.array(self._ends, dtype=np.int64)

    def numbers(self, texts: Sequence[bytes], middle: bool) -> Ids:
        """A patch number for each text (UTF-8), encoded alone or, if `middle`, as after a safe cut."""
        known = self._remembered[middle]
        if len(known) > _MOST_REMEMBERED:
            known.clear()
        known[b""] = NO_PATCH
        new = list(dict.fromkeys(text for text in texts if text not in known))
        encoded = self._encoder.encode_parts([text.decode() for text in new], [not middle] * len(new))
        for text, ids in zip(new, encoded, strict=True):
            self._ids.extend(ids)
            known[text] = len(self._ends)
            self._ends.append(len(self._ids))
        return np.fromiter(map(known.__getitem__, texts), dtype=np.int32, count=len(texts))

    def number(self, text: bytes, middle: bool) -> int:
        """The patch number of one text."""
        known = self._remembered[middle].get(text)
        return int(self.numbers([text], middle)[0]) if known is None else known

    def filler(self, length: int) -> int:
        """The number of a patch of so many ids that is there to be counted, never to be read."""
        if length not in self._fillers:
            self._ids.extend([0] * length)
            self._fillers[length] = len(self._ends)
            self._ends.append(len(self._ids))
        return self._fillers[length]

    def length(self, number: int) -> int:
        """The number of ids in one patch."""
        return self._ends[number] - (self._ends[number - 1] if number else 0)

    def ids(self, number: int) -> Ids:
        start = self._ends[number - 1] if number else 0
        return np.array(self._ids[start : self._ends[number]], dtype=np.int32)

    def lengths(self, numbers: Ids) -> Ids:
        """The number of ids in each patch."""
        counts = np.diff(np.frombuffer(self._ends, dtype=np.int64), prepend=0)
        return counts[numbers].astype(np.int32)


class Runs:
    """Reads runs of sentences, given by their first and last sentence.

    The count of ids in a run from i to j is ``after[j] - before[i]`` wherever `readable`.
    `is_last` (sentences,): whether a sentence is its section's last. `is_end` (sentences,): whether a sentence ends
    there, not only a part of one between two inner borders. `has_bos`, `has_eos` (sentences,): whether it begins with
    a BOS, ends with an EOS, of the text's own; only where special strings are control tokens.
    """

    def __init__(self, text: IndexedText) -> None:
        self.text = text
        table = text.sentences
        self.before: Offsets = table.head_ids - text.patches.lengths(table.heads)
        self.after: Offsets = table.tail_ids + text.patches.lengths(table.tails)
        self.is_last: npt.NDArray[np.bool_] = np.append(table.sections[1:] != table.sections[:-1], True)[: len(table)]
        self.is_end: npt.NDArray[np.bool_] = np.append(~table.inner[1:], True)[: len(table)]
        self.has_bos = np.isin(table.starts, [start for start, _ in self._places(text.encoder.bos_text)])
        self.has_eos = np.isin(table.ends, [end for _, end in self._places(text.encoder.eos_text)])

    def _places(self, control_text: str) -> list[tuple[int, int]]:
        if not control_text or not self.text.encoder.control_tokens:
            return []
        return [found.span() for found in re.finditer(re.escape(control_text.encode()), self.text.corpus.buffer)]

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
