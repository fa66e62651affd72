"""Which runs of sentences become blocks: packed, overlapping, or DEMENTOR's windows.

How far a run from each sentence can go is found for all sentences at once, by bisection over running counts, so that
a window from every sentence costs no more than packing; a run is two numbers whatever its length. The step sentences
-> blocks on a block's way.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.progress import Progress
from training_pro.text.blocks.budget import Budget
from training_pro.text.blocks.corpus import Offsets
from training_pro.text.blocks.indexed_text import Runs
from training_pro.text.tokenizing.encoding import Ids

PACKED, OVERLAP, WINDOW = range(3)
KINDS = ("packed", "overlap", "window")

_REPORT_EVERY = 4096
_LONGEST_CHARACTER_BYTES = 4


@dataclass(frozen=True)
class Packing:
    """The blocks in order: `firsts`, `lasts` int32 (sentences), `kinds` uint8 (places in `KINDS`)."""

    firsts: npt.NDArray[np.int32]
    lasts: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]

    def some(self, chosen: npt.NDArray[np.bool_]) -> Packing:
        """The chosen ones alone; `chosen` is (blocks,)."""
        return Packing(self.firsts[chosen], self.lasts[chosen], self.kinds[chosen])

    def longer_than(self, chars: int, runs: Runs) -> npt.NDArray[np.bool_]:
        """Of which blocks the text is longer than so many characters; (blocks,)."""
        table = runs.text.sentences
        sizes = table.ends[self.lasts] - table.starts[self.firsts]
        longer: npt.NDArray[np.bool_] = sizes > chars
        for number in np.flatnonzero(longer & (sizes <= chars * _LONGEST_CHARACTER_BYTES)).tolist():
            longer[number] = len(runs.string(self.firsts[number], self.lasts[number])) > chars
        return longer


class Packer:
    """Packs the sentences of `runs`, each of which fits into `budget` alone.

    Packed blocks are whole sentences. Windows and overlaps may begin, and where need be end, at the inner borders of
    long ones.
    """

    def __init__(self, runs: Runs, budget: Budget, progress: Progress) -> None:
        self._runs = runs
        self._budget = budget
        self._progress = progress
        sections = runs.text.sentences.sections
        count = len(sections)
        most = int(runs.after.max()) + budget.max_tokens if count else 0
        self._apart = sections * (4 * (most + len(runs.text.ids)) + 4)  # keeps sections apart in one rising array
        self._reached = np.maximum.accumulate(runs.after + self._apart) if count else self._apart
        self._whole = _Ends(runs, budget, self._apart, runs.is_end)
        self._any = self._whole if runs.is_end.all() else _Ends(runs, budget, self._apart, np.ones(count, np.bool_))

    def packed(self, overlap: bool) -> Packing:
        """The longest runs from each section's start on, and between neighbours, if asked for, an overlap."""
        firsts: list[int] = []
        lasts: list[int] = []
        first, guess, total = 0, 0, len(self._apart)
        while first < total:
            if len(firsts) % _REPORT_EVERY == 0:
                self._progress(first, total, "Packing sentences")
            last = self._whole.of(first, guess)
            firsts.append(first)
            lasts.append(last)
            first, guess = last + 1, 2 * last + 1 - first
        self._progress(total, total, "Packing sentences")
        kinds = np.full(len(firsts), PACKED, dtype=np.uint8)
        packing = Packing(np.array(firsts, np.int32), np.array(lasts, np.int32), kinds)
        return self._overlapped(packing) if overlap else packing

    def windows(self) -> Packing:
        """The longest run from every sentence on, but for those inside an earlier one, up to the section's end."""
        ends = self._any.longest
        for number in np.flatnonzero(self._any.unsure).tolist():
            if number % _REPORT_EVERY == 0:
                self._progress(number, len(ends), "Packing windows")
            ends[number] = self._any.of(number, guess=int(ends[number - 1]) if number else 0)
        # One more sentence at the start can take fewer tokens: the window after it may lie inside.
        new = np.append(True, ends[1:] > np.maximum.accumulate(ends)[:-1])[: len(ends)]
        firsts = np.flatnonzero(new).astype(np.int32)
        return Packing(firsts, ends[firsts], np.full(len(firsts), WINDOW, dtype=np.uint8))

    def _overlapped(self, packed: Packing) -> Packing:
        """The packed runs, and between neighbours of one section a run from the earlier one's middle, if it adds any.

        It starts at the first sentence at or after the earlier run's token midpoint.
        """
        earlier = np.flatnonzero(~self._runs.is_last[packed.lasts])
        middles = self._middles(packed.firsts[earlier], packed.lasts[earlier])
        inside = middles <= packed.lasts[earlier]
        earlier, middles = earlier[inside], middles[inside]
        ends = self._whole.of_each(middles, packed.lasts[earlier] + 1)
        if self._any is not self._whole:  # no whole sentence fits behind the earlier run: part of a long one may
            alone = np.flatnonzero(ends <= packed.lasts[earlier])
            ends[alone] = self._any.of_each(middles[alone], packed.lasts[earlier[alone]] + 1)
        adds = ends > packed.lasts[earlier]
        later = earlier[adds] + 1
        return Packing(
            firsts=np.insert(packed.firsts, later, middles[adds]),
            lasts=np.insert(packed.lasts, later, ends[adds]),
            kinds=np.insert(packed.kinds, later, OVERLAP),
        )

    def _middles(self, firsts: Ids, lasts: Ids) -> Offsets:
        """For each run the first sentence before which at least half of its ids lie; its last + 1: there is none."""
        half = (self._runs.counts(firsts, lasts) + 1) // 2
        wanted = half + self._runs.before[firsts] + self._apart[firsts]
        middles = np.clip(np.searchsorted(self._reached, wanted), firsts, lasts) + 1
        for place in np.flatnonzero(~self._runs.readable(firsts, firsts)).tolist():
            middles[place] = self._middle_by_counting(int(firsts[place]), int(lasts[place]), int(half[place]))
        return middles

    def _middle_by_counting(self, first: int, last: int, half: int) -> int:
        """The same for one run whose shorter parts can't be read from the text's own ids."""
        ends = np.arange(first, last)
        enough = np.flatnonzero(self._runs.counts(np.full(len(ends), first), ends) >= half)
        return first + 1 + int(enough[0]) if len(enough) else last + 1


class _Ends:
    """For each sentence the last one of the longest run from it that fits and ends at one of the `allowed`.

    `longest` (sentences,) int32: as far as safe cuts tell; `unsure` (sentences,): where they don't.
    """

    def __init__(self, runs: Runs, budget: Budget, apart: Offsets, allowed: npt.NDArray[np.bool_]) -> None:
        self._runs, self._budget = runs, budget
        self._allowed = np.flatnonzero(allowed)
        count = len(allowed)
        section_lasts = np.flatnonzero(runs.is_last)
        self._last_of = np.repeat(section_lasts, np.diff(section_lasts, prepend=-1)).astype(np.int32)
        self.longest = self._longest_runs(apart, allowed) if count else np.empty(0, dtype=np.int32)
        every = np.arange(count)
        self.unsure = (self.longest < every) | ~runs.readable(every, np.maximum(self.longest, 0))

    def of_each(self, firsts: Offsets, guesses: Ids) -> Ids:
        """The ends for the sentences `firsts`, each with a guess."""
        ends: Ids = self.longest[firsts]
        for place in np.flatnonzero(self.unsure[firsts]).tolist():
            ends[place] = self.of(int(firsts[place]), int(guesses[place]))
        return ends

    def of(self, first: int, guess: int) -> int:
        """The end for one sentence; an earlier one, if no run that ends at one of the allowed fits."""
        if not self.unsure[first]:
            return int(self.longest[first])
        table = self._runs.text.sentences
        limit = int(self._last_of[first])
        if self._runs.is_readable(first, limit):  # runs that long were tried, and don't fit
            limit = int(np.searchsorted(table.tail_cuts[first:limit], table.head_cuts[first])) + first
        least, most = np.searchsorted(self._allowed, [first, limit + 1]).tolist()
        ends = self._allowed[least:most].tolist()
        place = min(max(bisect_right(ends, guess) - 1, 0), len(ends) - 1)
        while place > 0 and not self._fits(first, ends[place]):
            place -= 1
        while place + 1 < len(ends) and self._fits(first, ends[place + 1]):
            place += 1
        nothing = not ends or (place == 0 and ends[0] > first and not self._fits(first, ends[0]))
        return first - 1 if nothing else ends[place]

    def _fits(self, first: int, last: int) -> bool:
        room = self._budget.room_each(self._runs, np.array([first]), np.array([last]))
        return self._runs.count(first, last) <= int(room[0])

    def _longest_runs(self, apart: Offsets, allowed: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        runs, budget = self._runs, self._budget
        every = np.arange(len(allowed))
        filled = runs.after + budget.eos_each(runs, every) + apart
        filled[~allowed] = np.iinfo(np.int64).max
        # A longer run can have fewer ids than a shorter one; this is the least that any run at least so long has.
        least = np.minimum.accumulate(filled[::-1])[::-1]
        room = runs.before + (budget.max_tokens - budget.bos_each(runs, every)) + apart
        return (np.searchsorted(least, room, side="right") - 1).astype(np.int32)
