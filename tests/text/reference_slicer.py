"""The slicer once more, slow and plain: what a block must be, one tokenizer call per question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training_pro.text.blocks.budget import Slicing

Span = tuple[int, int]


@dataclass(frozen=True)
class PlainBlock:
    kind: str
    start: int
    end: int
    eos: bool


@dataclass(frozen=True)
class PlainSlicer:
    """Blocks of one section, given its sentences; `count` is the tokenizer's.

    `inner`: those that go on from an inner border of a long sentence; no packed block begins with one.
    """

    text: str
    sentences: list[Span]
    slicing: Slicing
    count: Callable[[str], int]
    has_bos: bool
    has_eos: bool
    inner: list[bool]

    def blocks(self) -> list[PlainBlock]:
        runs = self._windows() if self.slicing.dementor else self._packed()
        blocks = [PlainBlock(kind, self.sentences[i][0], self.sentences[j][1], self._eos(j)) for kind, i, j in runs]
        return [block for block in blocks if block.end - block.start > self.slicing.min_block_chars]

    def _eos(self, last: int) -> bool:
        at_end = last == len(self.sentences) - 1
        return self.has_eos and (self.slicing.eos == "block" or (self.slicing.eos == "cut" and at_end))

    def _ids(self, i: int, j: int) -> int:
        return self.count(self.text[self.sentences[i][0] : self.sentences[j][1]])

    def _fits(self, i: int, j: int) -> bool:
        around = (self.slicing.add_bos and self.has_bos) + self._eos(j)
        return self._ids(i, j) + around <= self.slicing.max_tokens

    def _longest(self, i: int, whole: bool) -> int:
        """The last sentence of the longest run from i that fits; looks some sentences past the first that don't.

        `whole`: it ends with a whole sentence; i - 1 where none does.
        """
        best, misses = i - 1 if whole else i, 0
        for j in range(i, len(self.sentences)):
            if whole and j + 1 < len(self.sentences) and self.inner[j + 1]:
                continue
            if self._fits(i, j):
                best, misses = j, 0
            else:
                misses += 1
            if misses > 3:
                break
        return best

    def _packed(self) -> list[tuple[str, int, int]]:
        runs: list[tuple[str, int, int]] = []
        i = 0
        while i < len(self.sentences):
            j = self._longest(i, whole=True)
            if runs and self.slicing.overlap:
                runs += self._overlap(runs[-1][1], runs[-1][2])
            runs.append(("packed", i, j))
            i = j + 1
        return runs

    def _overlap(self, i: int, j: int) -> list[tuple[str, int, int]]:
        for middle in range(i + 1, j + 1):
            if 2 * self._ids(i, middle - 1) >= self._ids(i, j):
                end = self._longest(middle, whole=True)
                end = end if end > j else self._longest(middle, whole=False)
                return [("overlap", middle, end)] if end > j else []
        return []

    def _windows(self) -> list[tuple[str, int, int]]:
        runs: list[tuple[str, int, int]] = []
        for i in range(len(self.sentences)):
            j = self._longest(i, whole=False)
            if not runs or runs[-1][2] < j:
                runs.append(("window", i, j))
            if j == len(self.sentences) - 1:
                break
        return runs
