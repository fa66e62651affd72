"""A text's ids in one array, and for each sentence what it takes to read any run of sentences from it.

Every stretch is encoded once, in pieces that end at safe cuts, while the sentences of the next ones are found. A run
of sentences i to j is then read as

    patch before sentence i + ids[head_ids[i] : tail_ids[j]] + patch after sentence j

because ids differ from the text's own only before the first safe cut after i's start, and after the last one before
j's end. Costs the tokenizer's own time, 4 bytes a token on disk, 48 bytes a sentence in memory. The step sentences ->
token ids on a block's way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pro.progress import Progress
from training_pro.text.blocks.corpus import Corpus, Offsets
from training_pro.text.blocks.stores import NO_PATCH, IdFile, Patches
from training_pro.text.blocks.stretch_encoding import EncodedStretch, encode_stretch
from training_pro.text.blocks.stretches import Stretch
from training_pro.text.tokenizing.encoding import Ids, TextEncoder

NOWHERE = int(np.iinfo(np.int64).max)  # a cut past everything
_NONE: Offsets = np.empty(0, dtype=np.int64)
_AT_ONCE = 2  # stretches in the encoder: one keeps the processors busy while the other's ids are gathered


@dataclass(frozen=True)
class SentenceTable:
    """One entry per sentence, in the text's order; offsets are bytes of the corpus, ids are places in the id array.

    starts, ends: the sentence without white space around it. sections: the number of its section.
    head_cuts, head_ids: the first safe cut after its start, and the id there; before it stands patch `heads`.
    tail_cuts, tail_ids: the last safe cut up to its end, and the id there; after it stands patch `tails`.
    Where a section can't be encoded in pieces, head_cuts are past everything, so that no run reads from the array.
    """

    starts: Offsets
    ends: Offsets
    sections: Offsets
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
    goes on in the next one.
    `pieces` int64, rising: the numbers of those sentences that are pieces of one that was too long for a block.
    """

    corpus: Corpus
    encoder: TextEncoder
    ids: Ids
    patches: Patches
    sentences: SentenceTable
    opaque: npt.NDArray[np.bool_]
    forced: Offsets
    pieces: Offsets = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass
class _Columns:
    """The table's columns while they grow, a list of arrays each."""

    starts: list[Offsets] = field(default_factory=list)
    ends: list[Offsets] = field(default_factory=list)
    sections: list[Offsets] = field(default_factory=list)
    head_cuts: list[Offsets] = field(default_factory=list)
    head_ids: list[Offsets] = field(default_factory=list)
    heads: list[Ids] = field(default_factory=list)
    tail_cuts: list[Offsets] = field(default_factory=list)
    tail_ids: list[Offsets] = field(default_factory=list)
    tails: list[Ids] = field(default_factory=list)

    def table(self) -> SentenceTable:
        return SentenceTable(
            starts=_joined(self.starts),
            ends=_joined(self.ends),
            sections=_joined(self.sections),
            head_cuts=_joined(self.head_cuts),
            head_ids=_joined(self.head_ids),
            heads=_joined(self.heads),
            tail_cuts=_joined(self.tail_cuts),
            tail_ids=_joined(self.tail_ids),
            tails=_joined(self.tails),
        )


def _joined(parts: list[Any]) -> Any:
    joined = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
    parts.clear()  # so that only one column is held twice at a time
    return joined


@dataclass(frozen=True)
class _Places:
    """Where in a stretch (numbers of its cuts) the sentences from `starts` on have their heads, others their tails."""

    starts: Offsets
    heads: Offsets
    tails: Offsets


def index_text(
    corpus: Corpus, section_count: int, encoder: TextEncoder, stretches: Iterable[Stretch], progress: Progress
) -> IndexedText:
    """Encode all sections.

    Raises:
        UnsafeCutError: the encoder's cut rule doesn't hold.
        Cancelled: from `progress`.
    """
    indexer = _Indexer(corpus, section_count, encoder)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for stretch in stretches:  # finding the next one's sentences runs beside the encoding of those before
            indexer.add(stretch, pool)
            progress(int(stretch.sentence_ends[-1]), corpus.size_bytes, "Encoding text")
        return indexer.finished()


class _Indexer:
    def __init__(self, corpus: Corpus, section_count: int, encoder: TextEncoder) -> None:
        self._corpus = corpus
        self._encoder = encoder
        self._ids = IdFile()
        self._patches = Patches(encoder)
        self._columns = _Columns()
        self._opaque = np.zeros(section_count, dtype=np.bool_)
        self._forced: list[int] = []
        self._entered = 0  # sentences
        self._waiting = _NONE  # starts of sentences whose first safe cut lies in a stretch to come
        self._running: deque[tuple[Stretch, _Places, Future[EncodedStretch]]] = deque()

    def add(self, stretch: Stretch, pool: ThreadPoolExecutor) -> None:
        """Start to encode a stretch, and enter those that have to be done before."""
        places = self._places(stretch)
        self._enter_sentences(stretch)
        if places is None:
            self._enter_running(but=0)
            self._enter_opaque(stretch)
        else:
            self._enter_running(but=_AT_ONCE - 1)
            asked = np.concatenate([places.heads, places.tails])
            self._running.append((stretch, places, pool.submit(encode_stretch, stretch, asked, self._encoder)))

    def finished(self) -> IndexedText:
        self._enter_running(but=0)
        sentences = self._columns.table()
        unreadable = self._opaque[sentences.sections]
        sentences.head_cuts[unreadable] = NOWHERE
        return IndexedText(
            corpus=self._corpus,
            encoder=self._encoder,
            ids=self._ids.array(),
            patches=self._patches,
            sentences=sentences,
            opaque=self._opaque,
            forced=np.array(self._forced, dtype=np.int64),
        )

    def _places(self, stretch: Stretch) -> _Places | None:
        cuts = stretch.cuts
        starts = np.concatenate([self._waiting, stretch.sentence_starts])
        if not len(cuts):
            self._waiting = _NONE
            return None
        heads = np.searchsorted(cuts, starts)  # the first cut at or after each start
        near = np.minimum(heads, len(cuts) - 1)
        heads = heads + ((cuts[near] == starts) & ~stretch.starts_section[near])
        known = heads < len(cuts)
        self._waiting = starts[~known]
        tails = np.searchsorted(cuts, stretch.sentence_ends, side="right") - 1
        return _Places(starts[known], heads[known], tails)

    def _enter_sentences(self, stretch: Stretch) -> None:
        self._columns.starts.append(stretch.sentence_starts)
        self._columns.ends.append(stretch.sentence_ends)
        self._columns.sections.append(stretch.sentence_sections)
        self._entered += len(stretch.sentence_starts)
        if stretch.forced:
            self._forced.append(self._entered - 1)

    def _enter_opaque(self, stretch: Stretch) -> None:
        self._opaque[stretch.sentence_sections] = True
        count = len(stretch.sentence_starts)
        self._enter_tails(np.full(count, -1), np.zeros(count, np.int64), np.zeros(count, np.int32))
        heads = int(sum(map(len, self._columns.starts)) - sum(map(len, self._columns.heads)))  # those waiting, too
        self._enter_heads(np.full(heads, NOWHERE), np.zeros(heads, np.int64), np.zeros(heads, np.int32))

    def _enter_running(self, but: int) -> None:
        """Enter what is being encoded, the oldest first, but for the last `but` stretches."""
        while len(self._running) > but:
            stretch, places, job = self._running.popleft()
            self._enter_encoded(stretch, places, job.result())

    def _enter_encoded(self, stretch: Stretch, places: _Places, encoded: EncodedStretch) -> None:
        before = encoded.before + self._ids.size
        self._ids.append(encoded.ids)
        head_cuts, tail_cuts = stretch.cuts[places.heads], stretch.cuts[places.tails]
        heads = self._patched(places.starts, head_cuts, np.zeros(len(head_cuts), dtype=np.bool_))
        self._enter_heads(head_cuts, before[: len(head_cuts)], heads)
        tails = self._patched(tail_cuts, stretch.sentence_ends, ~stretch.starts_section[places.tails])
        self._enter_tails(tail_cuts, before[len(head_cuts) :], tails)

    def _patched(self, starts: Offsets, ends: Offsets, middle: npt.NDArray[np.bool_]) -> Ids:
        """The patches for these stretches of text."""
        buffer = self._corpus.buffer
        numbers = np.full(len(starts), NO_PATCH, dtype=np.int32)
        for is_middle in (False, True):
            wanted = np.flatnonzero((starts < ends) & (middle == is_middle))
            spans = zip(starts[wanted].tolist(), ends[wanted].tolist(), strict=True)
            numbers[wanted] = self._patches.numbers([buffer[start:end] for start, end in spans], is_middle)
        return numbers

    def _enter_heads(self, cuts: Offsets, ids: Offsets, patches: Ids) -> None:
        self._columns.head_cuts.append(cuts)
        self._columns.head_ids.append(ids)
        self._columns.heads.append(patches)

    def _enter_tails(self, cuts: Offsets, ids: Offsets, patches: Ids) -> None:
        self._columns.tail_cuts.append(cuts)
        self._columns.tail_ids.append(ids)
        self._columns.tails.append(patches)
