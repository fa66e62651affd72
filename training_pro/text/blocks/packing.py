"""Which runs of sentences become blocks: packed, overlapping, or DEMENTOR's windows.

How far a run from each sentence can go is found for all sentences at once, by bisection over running counts, so that
a window from every sentence costs no more than packing; a run is two numbers whatever its length. The step sentences
-> blocks on a block's way.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Packing:
    """The blocks in order: `firsts`, `lasts` int32 (sentences), `kinds` uint8 (places in `KINDS`)."""

    firsts: npt.NDArray[np.int32]
    lasts: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]

    def some(self, chosen: npt.NDArray[np.bool_]) -> Packing:
        """The chosen ones alone; `chosen` is (blocks,)."""
        return Packing(self.firsts[chosen], self.lasts[chosen], self.kinds[chosen])


class Packer:
    """Packs the sentences of `runs`, each of which fits into `budget` alone."""

    def __init__(self, runs: Runs, budget: Budget, progress: Progress) -> None:
        self._runs = runs
        self._budget = budget
        self._progress = progress
        sections = runs.text.sentences.sections
        count = len(sections)
        section_lasts = np.flatnonzero(runs.is_last)
        self._last_of = np.repeat(section_lasts, np.diff(section_lasts, prepend=-1)).astype(np.int32)
        most = int(runs.after.max()) + budget.max_tokens if count else 0
        self._apart = sections * (4 * (most + len(runs.text.ids)) + 4)  # keeps sections apart in one rising array
        self._reached = np.maximum.accumulate(runs.after + self._apart) if count else self._apart
        self._ends = self._longest_runs() if count else np.empty(0, dtype=np.int32)
        within = np.maximum(self._ends, 0)
        self._unsure = (self._ends < np.arange(count)) | ~runs.readable(np.arange(count), within)

    def packed(self, overlap: bool) -> Packing:
        """The longest runs from each section's start on, and between neighbours, if asked for, an overlap."""
        firsts: list[int] = []
        lasts: list[int] = []
        first, guess, total = 0, 0, len(self._ends)
        while first < total:
            if len(firsts) % _REPORT_EVERY == 0:
                self._progress(first, total, "Packing blocks")
            last = self._end(first, guess)
            firsts.append(first)
            lasts.append(last)
            first, guess = last + 1, 2 * last + 1 - first
        kinds = np.full(len(firsts), PACKED, dtype=np.uint8)
        packing = Packing(np.array(firsts, np.int32), np.array(lasts, np.int32), kinds)
        return self._overlapped(packing) if overlap else packing

    def windows(self) -> Packing:
        """The longest run from every sentence on; of those that end alike the first, up to the section's end."""
        for number in np.flatnonzero(self._unsure).tolist():
            if number % _REPORT_EVERY == 0:
                self._progress(number, len(self._ends), "Packing windows")
            self._ends[number] = self._end(number, guess=int(self._ends[number - 1]) if number else 0)
        new = np.append(True, self._ends[1:] != self._ends[:-1])[: len(self._ends)]
        firsts = np.flatnonzero(new).astype(np.int32)
        return Packing(firsts, self._ends[firsts], np.full(len(firsts), WINDOW, dtype=np.uint8))

    def _longest_runs(self) -> npt.NDArray[np.int32]:
        """For each sentence the last one of the longest run from it, as far as safe cuts tell."""
        runs, budget = self._runs, self._budget
        filled = runs.after + budget.eos_each(runs.is_last) + self._apart
        # A longer run can have fewer ids than a shorter one; this is the least that any run at least so long has.
        least = np.minimum.accumulate(filled[::-1])[::-1]
        room = runs.before + (budget.max_tokens - budget.bos) + self._apart
        return (np.searchsorted(least, room, side="right") - 1).astype(np.int32)

    def _end(self, first: int, guess: int) -> int:
        """The last sentence of the longest run from `first` that fits."""
        if not self._unsure[first]:
            return int(self._ends[first])
        table = self._runs.text.sentences
        limit = int(self._last_of[first])
        if self._runs.is_readable(first, limit):  # runs that long were tried, and don't fit
            limit = int(np.searchsorted(table.tail_cuts[first:limit], table.head_cuts[first])) + first
        last = min(max(guess, first), limit)
        while last > first and not self._fits(first, last):
            last -= 1
        while last < limit and self._fits(first, last + 1):
            last += 1
        return last

    def _fits(self, first: int, last: int) -> bool:
        return self._runs.count(first, last) <= self._budget.room(bool(self._runs.is_last[last]))

    def _overlapped(self, packed: Packing) -> Packing:
        """The packed runs, and between neighbours of one section a run from the earlier one's middle, if it adds any.

        It starts at the first sentence at or after the earlier run's token midpoint.
        """
        earlier = np.flatnonzero(~self._runs.is_last[packed.lasts])
        middles = self._middles(packed.firsts[earlier], packed.lasts[earlier])
        inside = middles <= packed.lasts[earlier]
        earlier, middles = earlier[inside], middles[inside]
        ends = self._ends[middles]
        for place in np.flatnonzero(self._unsure[middles]).tolist():
            ends[place] = self._end(int(middles[place]), guess=int(packed.lasts[earlier[place]]) + 1)
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
