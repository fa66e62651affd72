"""Sentences made to fit a budget: what is too long is split, and what is short for it keeps no inner borders.

A sentence that doesn't fit into a block is split at the best border inside: line, clause, word, then code point. The
pieces count as sentences from there on. Inner borders are kept in sentences longer than an eighth of the budget.

Splitting costs some hundred microseconds per long sentence; none where all fit. A stretch without any space (a picture
in base64) costs some milliseconds a piece where the longest token is known: of what is longer than so many of these as
a block holds, no ids are asked for. Elsewhere the time grows with the square of its length. It can be cancelled at
every piece.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from training_pro.errors import DataError
from training_pro.progress import Progress
from training_pro.text.blocks.budget import Budget
from training_pro.text.blocks.corpus import Offsets
from training_pro.text.blocks.indexed_text import NO_PATCH, NOWHERE, IndexedText, Runs, SentenceTable
from training_pro.text.blocks.stretches import byte_offsets
from training_pro.text.splitting.inner_borders import all_borders

_INNER_FROM = 8  # sentences of more than this part of the budget keep their inner borders


@dataclass(frozen=True)
class _Cuts:
    """The safe cuts in and next to one sentence, as bytes of the corpus, and the id at each; rising."""

    offsets: list[int]
    ids: list[int]


def split_to_fit(text: IndexedText, budget: Budget, progress: Progress) -> tuple[IndexedText, int]:
    """The text with every sentence short enough for `budget`, and how many sentences were split.

    One that was cut on the way already counts as one, into however many pieces.

    Raises:
        DataError: one character alone takes more tokens than a block may hold.
        Cancelled: from `progress`.
    """
    runs = Runs(text)
    firsts, lasts = np.flatnonzero(~text.sentences.inner), np.flatnonzero(runs.is_end)
    counts = runs.counts(firsts, lasts)
    fits = counts <= budget.room_each(runs, firsts, lasts)
    keeps = fits & (_INNER_FROM * counts > budget.max_tokens)
    parted = text.sentences
    text = _merged(text, ~text.sentences.inner | np.repeat(keeps, lasts - firsts + 1))
    too_long = np.flatnonzero(~text.sentences.inner)[~fits].tolist()
    is_last = Runs(text).is_last
    rows: list[_Row] = []
    for done, (number, first, last) in enumerate(zip(too_long, firsts[~fits], lasts[~fits], strict=True)):
        told = partial(progress, done, len(too_long), "Splitting long sentences")
        inner = parted.ends[first:last], parted.starts[first + 1 : last + 1]
        rows.append(_Sentence(text, number, budget, bool(is_last[number])).split(inner, told))
    split = _sentences_split(text.forced, np.array(too_long, dtype=np.int64))
    return (_with_rows(text, too_long, rows) if rows else text), split


def _merged(text: IndexedText, kept: npt.NDArray[np.bool_]) -> IndexedText:
    """The text with those entries of its table that are not `kept` joined to the one before."""
    if kept.all():
        return text
    table = text.sentences
    firsts = np.flatnonzero(kept)
    lasts = np.append(firsts[1:], len(kept)) - 1
    columns = {
        column.name: getattr(table, column.name)[lasts if column.name in _OF_ENDS else firsts] for column in _COLUMNS
    }
    forced = np.cumsum(kept)[text.forced] - 1
    return replace(text, sentences=SentenceTable(**columns), forced=forced)


_COLUMNS = fields(SentenceTable)
_OF_ENDS = ("ends", "tail_cuts", "tail_ids", "tails")


def _sentences_split(forced: Offsets, too_long: Offsets) -> int:
    """How many sentences these are parts of, if the same sentence continues after each of `forced`."""
    parts = np.concatenate([forced, too_long])
    return len(np.unique(parts - np.searchsorted(forced, parts)))


_Row = list[tuple[int, ...]]  # one per piece: the columns of SentenceTable


def _with_rows(text: IndexedText, numbers: Sequence[int], rows: Sequence[_Row]) -> IndexedText:
    """The text whose table has the row of each of `numbers` replaced by several."""
    table = text.sentences
    repeats = np.ones(len(table), dtype=np.int64)
    repeats[list(numbers)] = [len(row) for row in rows]
    firsts = np.cumsum(repeats) - repeats
    new_at = np.concatenate([np.arange(firsts[n], firsts[n] + len(row)) for n, row in zip(numbers, rows, strict=True)])
    values = np.array([piece for row in rows for piece in row], dtype=np.int64)
    columns = {}
    for place, column in enumerate(_COLUMNS):
        spread = np.repeat(getattr(table, column.name), repeats)
        spread[new_at] = values[:, place]  # of a column of flags, too
        columns[column.name] = spread
    forced = np.cumsum(repeats)[text.forced] - 1
    return replace(text, sentences=SentenceTable(**columns), forced=forced, pieces=new_at)


class _Sentence:
    """One sentence that is too long. Places are characters of it unless called offsets (bytes of the corpus)."""

    def __init__(self, text: IndexedText, number: int, budget: Budget, is_last: bool) -> None:
        table = text.sentences
        self._text = text
        self._number = number
        self._section = int(table.sections[number])
        self._budget = budget
        self._is_last = is_last
        start, end = int(table.starts[number]), int(table.ends[number])
        self._string = text.corpus.text(start, end)
        self._offsets: list[int] = byte_offsets(self._string, start).tolist()
        self._section_start = int(table.starts[np.searchsorted(table.sections, self._section)])
        self._starts_section = start == self._section_start
        self._cuts = _Cuts([], []) if text.opaque[self._section] else self._find_cuts()
        self._borders = all_borders(self._string)
        self._most_bytes = self._find_most_bytes()

    def split(self, inner: tuple[Offsets, Offsets], progress: Callable[[], None]) -> _Row:
        """The entries of the pieces and, inside these, of what lies between inner borders.

        `inner`: offsets of the borders, where what stands before each stops and where the next starts. `progress` is
        called before every piece: a sentence without a space can be half a megabyte.
        """
        stops, next_starts = np.searchsorted(self._offsets, inner).tolist()
        row: _Row = []
        for start, end in self._pieces():
            progress()
            first, last = bisect_right(stops, start), bisect_left(next_starts, end)
            starts, ends = [start, *next_starts[first:last]], [*stops[first:last], end]
            row += [self._row(*tile, inner=tile[0] > start) for tile in zip(starts, ends, strict=True)]
        return row

    def _pieces(self) -> Iterator[tuple[int, int]]:
        start, end = 0, len(self._string)
        while not self._fits(start, end):
            stop, next_start = self._first_piece(start)
            yield start, stop
            start = next_start
        yield start, end

    def _first_piece(self, start: int) -> tuple[int, int]:
        """Where the longest piece from `start` that fits ends, by the best kind of border; where the next starts."""
        for stops, next_starts in self._borders:
            first = bisect_right(stops, start)
            found = _last_that_holds(partial(self._fits_to_border, start, stops), first, len(stops))
            if found >= first:
                return stops[found], next_starts[found]
        words = self._borders[-1][0]
        word = bisect_right(words, start)
        word_end = words[word] if word < len(words) else len(self._string)
        stop = _last_that_holds(partial(self._fits, start), start + 1, word_end)
        if stop <= start:
            raise self._too_small(start)
        return stop, stop

    def _fits_to_border(self, start: int, stops: list[int], number: int) -> bool:
        return self._fits(start, stops[number])

    def _fits(self, start: int, stop: int) -> bool:
        if self._is_far(self._offsets[start], self._offsets[stop]):
            return False
        at_section_end = self._is_last and stop == len(self._string)
        return self._count(start, stop) <= self._budget.room(at_section_end)

    def _count(self, start: int, stop: int) -> int:
        first, last = self._cuts_of(start, stop)
        if first < 0:
            return self._text.encoder.count(self._string[start:stop])
        patches, cuts = self._text.patches, self._cuts
        head, tail = self._patches_of(start, stop, first, last)
        return patches.length(head) + cuts.ids[last] - cuts.ids[first] + patches.length(tail)

    def _row(self, start: int, stop: int, inner: bool) -> tuple[int, ...]:
        """The piece's columns; a head or a tail that ends in another sentence is in order too."""
        first, last = self._after(start), self._upto(stop)
        offsets = self._offsets[start], self._offsets[stop], self._section, inner
        if not self._cuts.offsets:
            return (*offsets, NOWHERE, 0, NO_PATCH, -1, 0, NO_PATCH)
        head, tail = self._patches_of(start, stop, first, last)
        cuts = self._cuts
        return (*offsets, cuts.offsets[first], cuts.ids[first], head, cuts.offsets[last], cuts.ids[last], tail)

    def _cuts_of(self, start: int, stop: int) -> tuple[int, int]:
        """The numbers of the first cut after `start` and the last up to `stop`; -1, -1: none lies between."""
        first, last = self._after(start), self._upto(stop)
        return (first, last) if 0 <= first <= last < len(self._cuts.offsets) else (-1, -1)

    def _after(self, start: int) -> int:
        if start == 0 and self._starts_section:
            return 0
        return bisect_right(self._cuts.offsets, self._offsets[start])

    def _upto(self, stop: int) -> int:
        return bisect_right(self._cuts.offsets, self._offsets[stop]) - 1

    def _patches_of(self, start: int, stop: int, first: int, last: int) -> tuple[int, int]:
        """The patches from `start` to the cut `first` and from the cut `last` to `stop`."""
        cuts = self._cuts.offsets
        head = self._patch(self._offsets[start], cuts[first], middle=False)
        tail = self._patch(cuts[last], self._offsets[stop], middle=cuts[last] > self._section_start)
        return head, tail

    def _patch(self, start: int, stop: int, middle: bool) -> int:
        """The patch between two offsets; where no block can hold that much, one that is merely too long as well."""
        patches = self._text.patches
        if self._is_far(start, stop):
            return patches.filler(self._budget.max_tokens + 1)
        return patches.number(self._text.corpus.buffer[start:stop], middle)

    def _is_far(self, start: int, stop: int) -> bool:
        """Whether between two offsets, whatever the tokens, there are more than a block may hold."""
        return self._most_bytes is not None and stop - start > self._most_bytes

    def _find_most_bytes(self) -> int | None:
        """The most bytes here that may fit into a block, if that can be told."""
        cuts = self._cuts.offsets or self._offsets
        lengths = self._text.encoder.token_lengths
        around = self._text.corpus.text(min(cuts[0], self._offsets[0]), max(cuts[-1], self._offsets[-1]))
        return lengths.most_bytes(self._budget.max_tokens, around) if lengths is not None else None

    def _find_cuts(self) -> _Cuts:
        table, number = self._text.sentences, self._number
        head, tail = int(table.head_cuts[number]), int(table.tail_cuts[number])
        before = [] if self._starts_section else [number - 1]
        after = [] if self._is_last else [number + 1]
        offsets = [int(table.tail_cuts[n]) for n in before]
        ids = [int(table.tail_ids[n]) for n in before]
        if head <= tail:
            inside = self._cuts_inside(head, tail, offsets[0] if offsets else head)
            offsets += inside.offsets
            ids += inside.ids
        offsets += [int(table.head_cuts[n]) for n in after]
        ids += [int(table.head_ids[n]) for n in after]
        return _Cuts(offsets, ids)

    def _cuts_inside(self, head: int, tail: int, seen_from: int) -> _Cuts:
        """The safe cuts from `head` to `tail`, counted up from the id at `head`; searched from `seen_from` on."""
        encoder = self._text.encoder
        assert encoder.cut_rule is not None, "only opaque sections are without one"
        around = self._text.corpus.text(seen_from, self._offsets[-1])
        found = byte_offsets(around, seen_from)[encoder.cut_rule.safe(around)]
        offsets = sorted({head, *found[(head < found) & (found < tail)].tolist(), tail})
        measured = self._measured(np.array(offsets, dtype=np.int64))
        if measured is not None:
            return _Cuts(offsets, measured)
        parts = [self._text.corpus.text(start, stop) for start, stop in pairwise(offsets)]
        at_start = [self._starts_section, *([False] * len(parts))][: len(parts)]
        counts = map(len, encoder.encode_parts(parts, at_start))
        return _Cuts(offsets, list(accumulate(counts, initial=int(self._text.sentences.head_ids[self._number]))))

    def _measured(self, offsets: Offsets) -> list[int] | None:
        """The id at each of these cuts, by adding up the bytes of the ids that are there; None: that doesn't tell."""
        text, number, lengths = self._text, self._number, self._text.encoder.token_lengths
        if lengths is None or not lengths.hold_for(text.corpus.text(int(offsets[0]), int(offsets[-1]))):
            return None
        first, last = int(text.sentences.head_ids[number]), int(text.sentences.tail_ids[number])
        ends = np.concatenate([[0], np.cumsum(lengths.by_id[text.ids[first:last]])])
        wanted = offsets - offsets[0]
        wanted[1:] += lengths.added_at_start if self._starts_section else 0
        places = np.searchsorted(ends, wanted, side="right") - 1
        return (first + places).tolist() if np.array_equal(ends[places], wanted) else None

    def _too_small(self, start: int) -> DataError:
        character = self._string[start]
        needed = self._text.encoder.count(character) + self._budget.max_tokens - self._budget.room(False)
        return DataError(
            f"The character {character!r} (U+{ord(character):04X}) alone takes {needed} tokens with BOS and EOS, "
            f"but the Maximum context length is {self._budget.max_tokens}; raise it to {needed} or more."
        )


def _last_that_holds(test: Callable[[int], bool], first: int, stop: int) -> int:
    """The last number from `first` up to `stop` for which `test` holds, if it holds up to there; else first - 1.

    Few calls, and none far beyond the answer: what is tested grows with the number.
    """
    good, step = first - 1, 1
    while good + step < stop and test(good + step):
        good += step
        step *= 2
    bad = min(good + step, stop)
    while bad - good > 1:
        middle = (good + bad) // 2
        if test(middle):
            good = middle
        else:
            bad = middle
    return good
