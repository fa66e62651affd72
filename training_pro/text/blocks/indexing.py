"""Text to ids: every stretch is encoded once, while the sentences of the next ones are found.

Encoded are pieces of about 2,000 bytes that end at safe cuts. Where a token's bytes are known from its id, places
are found by adding these up; elsewhere the pieces end at every such place, which takes about twice as long. Costs the
tokenizer's own time and 4 bytes a token on disk. The step sentences -> token ids on a block's way.
"""

from __future__ import annotations

import tempfile
from array import array
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pro.progress import Progress
from training_pro.text.blocks.corpus import Corpus, Offsets
from training_pro.text.blocks.indexed_text import NO_PATCH, NOWHERE, IndexedText, Patches, Runs, SentenceTable
from training_pro.text.blocks.stretches import Mask, Stretch
from training_pro.text.tokenizing.encoding import Ids, TextEncoder
from training_pro.text.tokenizing.token_lengths import TokenLengths

_NONE: Offsets = np.empty(0, dtype=np.int64)
_AT_ONCE = 2  # stretches in the encoder: one keeps the processors busy while the other's ids are gathered
_PIECE_BYTES = 2000  # pieces about this long are encoded fastest
_RUNS_TRIED_OUT = 16
_SENTENCES_TRIED_OUT = 15


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


def try_out(text: IndexedText) -> None:
    """Compare some runs of sentences with the tokenizer's own ids.

    Raises:
        UnsafeCutError: they differ.
    """
    runs, count = Runs(text), len(text.sentences)
    section_lasts = np.flatnonzero(runs.is_last)
    for first in np.linspace(0, count - 1, num=min(count, _RUNS_TRIED_OUT), dtype=int).tolist():
        last = min(first + _SENTENCES_TRIED_OUT, int(section_lasts[np.searchsorted(section_lasts, first)]))
        if not np.array_equal(runs.ids(first, last), text.encoder.encode(runs.string(first, last))):
            raise UnsafeCutError


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
        self._columns.inner.append(stretch.sentence_inner)
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
        first = int(starts.min(initial=self._corpus.size_bytes))
        read = self._corpus.buffer[first : int(ends.max(initial=first))]  # once: small reads of a mapped file are slow
        numbers = np.full(len(starts), NO_PATCH, dtype=np.int32)
        for is_middle in (False, True):
            wanted = np.flatnonzero((starts < ends) & (middle == is_middle))
            spans = zip((starts[wanted] - first).tolist(), (ends[wanted] - first).tolist(), strict=True)
            numbers[wanted] = self._patches.numbers([read[start:end] for start, end in spans], is_middle)
        return numbers

    def _enter_heads(self, cuts: Offsets, ids: Offsets, patches: Ids) -> None:
        self._columns.head_cuts.append(cuts)
        self._columns.head_ids.append(ids)
        self._columns.heads.append(patches)

    def _enter_tails(self, cuts: Offsets, ids: Offsets, patches: Ids) -> None:
        self._columns.tail_cuts.append(cuts)
        self._columns.tail_ids.append(ids)
        self._columns.tails.append(patches)


@dataclass
class _Columns:
    """The table's columns while they grow, a list of arrays each."""

    starts: list[Offsets] = field(default_factory=list)
    ends: list[Offsets] = field(default_factory=list)
    sections: list[Offsets] = field(default_factory=list)
    inner: list[Mask] = field(default_factory=list)
    head_cuts: list[Offsets] = field(default_factory=list)
    head_ids: list[Offsets] = field(default_factory=list)
    heads: list[Ids] = field(default_factory=list)
    tail_cuts: list[Offsets] = field(default_factory=list)
    tail_ids: list[Offsets] = field(default_factory=list)
    tails: list[Ids] = field(default_factory=list)

    def table(self) -> SentenceTable:
        return SentenceTable(**{name: _joined(parts) for name, parts in vars(self).items()})


def _joined(parts: list[Any]) -> Any:
    joined = np.concatenate(parts) if parts else _NONE
    parts.clear()  # so that only one column is held twice at a time
    return joined


@dataclass(frozen=True)
class _Places:
    """Where in a stretch (numbers of its cuts) the sentences from `starts` on have their heads, others their tails."""

    starts: Offsets
    heads: Offsets
    tails: Offsets


class IdFile:
    """Ids written one after another to an unnamed file, then read as one array mapped from it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as the map on it
        self.size = 0

    def append(self, ids: Ids) -> None:
        self._file.write(ids.tobytes())
        self.size += len(ids)

    def array(self) -> Ids:
        """All ids, (size,) int32."""
        if not self.size:
            return np.empty(0, dtype=np.int32)
        self._file.flush()
        mapped = np.memmap(self._file, dtype=np.int32, mode="r", shape=(self.size,))
        return mapped.view(np.ndarray)


class UnsafeCutError(Exception):
    """An id straddles a cut that was thought safe: the cut rule doesn't hold for this tokenizer."""


@dataclass(frozen=True)
class EncodedStretch:
    """`ids` of the stretch; `before` (places,): how many of them lie before each place asked for."""

    ids: Ids
    before: Offsets


@dataclass(frozen=True)
class _Pieces:
    """What is encoded in one go, each from one of the stretch's cuts to another (`firsts`, `stops`: which)."""

    firsts: Offsets
    stops: Offsets
    after_edge: Mask  # whether a section starts there


def encode_stretch(stretch: Stretch, places: Offsets, encoder: TextEncoder) -> EncodedStretch:
    """The ids between the stretch's first and last cut; `places` are numbers of cuts.

    Raises:
        UnsafeCutError: the encoder's cut rule doesn't hold.
    """
    lengths = encoder.token_lengths
    if lengths is not None and lengths.hold_for(stretch.text):
        pieces = _pieces(stretch, np.empty(0, dtype=np.int64))
        ids, counts = _encode(stretch, pieces, encoder)
        before = _measured(stretch, pieces, ids, counts, lengths, places)
        if before is not None:
            return EncodedStretch(ids, before)
    pieces = _pieces(stretch, places)
    ids, counts = _encode(stretch, pieces, encoder)
    totals = np.concatenate([[0], np.cumsum(counts)])
    stops = np.searchsorted(pieces.stops, places, side="right")  # how many pieces end at or before each place
    return EncodedStretch(ids, totals[stops])


def _pieces(stretch: Stretch, places: Offsets) -> _Pieces:
    cells = np.arange(stretch.cuts[0] + _PIECE_BYTES, stretch.cuts[-1], _PIECE_BYTES)
    edges = np.flatnonzero(stretch.starts_section | stretch.ends_section)
    ends = np.array([0, len(stretch.cuts) - 1])
    borders = np.unique(np.concatenate([ends, edges, np.searchsorted(stretch.cuts, cells), places]))
    holds_text = ~stretch.ends_section[borders] | stretch.starts_section[borders]
    holds_text[-1] = False
    firsts = np.flatnonzero(holds_text)
    return _Pieces(borders[firsts], borders[firsts + 1], stretch.starts_section[borders[firsts]])


def _encode(stretch: Stretch, pieces: _Pieces, encoder: TextEncoder) -> tuple[Ids, Offsets]:
    """All ids, and how many each piece has."""
    starts = stretch.cut_characters[pieces.firsts].tolist()
    stops = stretch.cut_characters[pieces.stops].tolist()
    texts = [stretch.text[start:stop] for start, stop in zip(starts, stops, strict=True)]
    ids = array("i")
    counts = []
    for part in encoder.encode_parts(texts, pieces.after_edge.tolist()):
        ids.fromlist(part)
        counts.append(len(part))
    return np.array(ids, dtype=np.int32), np.array(counts, dtype=np.int64)


def _measured(
    stretch: Stretch, pieces: _Pieces, ids: Ids, counts: Offsets, lengths: TokenLengths, places: Offsets
) -> Offsets | None:
    """`before`, by adding up the bytes of the tokens; None: they don't add up to the text."""
    ends = np.concatenate([[0], np.cumsum(lengths.by_id[ids])])  # bytes up to each id's end
    covered = ends[np.concatenate([[0], np.cumsum(counts)])]  # bytes before each piece, and in all
    piece_starts = stretch.cuts[pieces.firsts]
    surplus = np.where(pieces.after_edge, lengths.added_at_start, 0)
    if np.any(np.diff(covered) != stretch.cuts[pieces.stops] - piece_starts + surplus):
        return None
    offsets = stretch.cuts[places]
    piece = np.searchsorted(piece_starts, offsets, side="right") - 1
    into = offsets - piece_starts[piece]
    wanted = covered[piece] + np.where(into > 0, into + surplus[piece], 0)
    before: Offsets = np.searchsorted(ends, wanted, side="right") - 1
    if np.any(ends[before] != wanted):
        raise UnsafeCutError
    return before
