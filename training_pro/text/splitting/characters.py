"""A text's characters by kind, and where its words start and end, for the whole text at once.

Costs one table look-up and a few array passes per character (some 200 MB/s), so that sentence splitting loops
in Python over stops and odd lines only.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Offsets: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

SPACE, BREAK, LOWER, LETTER, DIGIT, STOP, CLOSER, OPENER = (np.uint8(1 << bit) for bit in range(8))

# In scripts written without spaces these end a sentence even when nothing separates it from the next.
UNSPACED_STOPS = "\u3002\uff01\uff1f\uff61\uff0e\u0964\u0965\u104b\u17d4\u17d5\u1362\u1367\u1368\u06d4\u0589"
STOPS = ".!?\u2026\u2025\u061f\u203c\u203d\u2047\u2048\u2049\u037e\u0701\u0702\u166e\u1803\u1809\u05c3" + UNSPACED_STOPS
CLOSING_QUOTES = "\"'\u2019\u2018\u201d\u201c\u00bb\u00ab\u203a\u2039\u300d\u300f\uff02"
CLOSING_BRACKETS = ")]}\uff09\u3011\u300b\u3009"
EMPHASIS = "*_\ufe0f"
CLOSERS = CLOSING_QUOTES + CLOSING_BRACKETS + EMPHASIS
DASHES = "\u2013\u2014\u2015"
OPENERS = '"([{\u201c\u2018\u00ab\u2039\u201e\u201a\u00bf\u00a1*_\u300c\u300e' + DASHES  # a word starts after one
LINE_BREAKS = "\n\f\u2028\u2029"

_TABLE_SIZE = 0x10000  # beyond the basic plane characters are of no kind


class Scan:
    """One text, seen whole. `n` is its length; arrays of offsets are int64, rising, and end with `n` as sentinel.

    codes: its code points, lone surrogates included, shape (n,).
    kinds: the bits above, shape (n + 1,), the last 0.
    word_starts, word_ends: offsets of the first visible character of each word, and of the white space after it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        self.kinds = np.zeros(len(text) + 1, dtype=np.uint8)
        _table().take(self.codes, mode="clip", out=self.kinds[:-1])
        self._mark_greek_questions()
        visible = np.zeros(len(text) + 2, dtype=np.bool_)  # with nothing to see on either side
        np.equal(self.kinds[:-1] & SPACE, 0, out=visible[1:-1])
        edges = np.flatnonzero(visible[1:] != visible[:-1])
        self.word_starts = np.append(edges[0::2], len(text))
        self.word_ends = np.append(edges[1::2], len(text))

    @cached_property
    def token_starts(self) -> Offsets:
        """Offsets at which words start that may follow an opening quote, a bracket or a dash without a space."""
        apart = np.ones(len(self.text) + 1, dtype=np.bool_)
        np.not_equal(self.kinds[:-1] & (SPACE | OPENER), 0, out=apart[1:])
        return np.flatnonzero(apart[:-1] & ~apart[1:])

    def _mark_greek_questions(self) -> None:
        """A semicolon after a Greek letter is a question mark."""
        greek = (self.codes[:-1] >= 0x370) & (self.codes[:-1] < 0x400) | (self.codes[:-1] >> 8 == 0x1F)
        if greek.any():
            self.kinds[1:-1][greek & (self.codes[1:] == ord(";"))] |= STOP

    def visible_from(self, offsets: Offsets) -> Offsets:
        """The first visible character at or after each offset that is white space or starts a word; `n`: none."""
        return self.word_starts[np.searchsorted(self.word_starts[:-1], offsets)]

    def visible_until(self, offsets: Offsets) -> Offsets:
        """Just after the last visible character before each offset; every offset must have one before it."""
        words = np.searchsorted(self.word_starts[:-1], offsets) - 1
        until: Offsets = np.minimum(self.word_ends[words], offsets)
        return until

    def has(self, offsets: Offsets, kind: np.uint8) -> Mask:
        """Whether the characters at `offsets` are of (one of) the kinds in `kind`; offset `n` is of none."""
        mask: Mask = (self.kinds[offsets] & kind) != 0
        return mask


@cache
def _table() -> NDArray[np.uint8]:
    characters = [chr(code) for code in range(_TABLE_SIZE)]
    table = np.zeros(_TABLE_SIZE, dtype=np.uint8)
    table[[c.isspace() for c in characters]] |= SPACE
    table[[c.islower() for c in characters]] |= LOWER
    table[[c.isalpha() for c in characters]] |= LETTER
    table[[c.isdecimal() for c in characters]] |= DIGIT
    for kind, members in ((BREAK, LINE_BREAKS), (STOP, STOPS), (CLOSER, CLOSERS), (OPENER, OPENERS)):
        table[[ord(c) for c in members]] |= kind
    return table
