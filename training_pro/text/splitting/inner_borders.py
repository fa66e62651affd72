"""Where a sentence may be parted inside: lines, clauses, words.

Two uses. A sentence that doesn't fit into a block is split at the best of all its borders. A sentence of many words,
as transcripts, chats and Thai have them where stops are missing, gets borders about as far apart as sentences are, so
that windows and overlaps can begin inside it. Costs some microseconds per hundred words of long sentences.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Border = tuple[int, int]  # where what stands before it stops, and where the next starts

_LONG_WORDS = 64  # a sentence of so many words gets inner borders
_LONG_WIDE_WORDS = 24  # the same in scripts without spaces, where stops are rarer
_APART_WORDS, _APART_WIDE_WORDS = 15.0, 13.0  # about what sentences have
_APART_LINES_WORDS = 9.5  # lines of a transcript are shorter
_NARROW_CHARS = 8  # so many characters count as a word where spaces don't tell
_WIDE_CHARS = 2.5  # the same in scripts without spaces
_WIDE_RANGES = ((0xE00, 0x10FF), (0x1780, 0x17FF), (0x2E80, 0xABFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_FIRST_WIDE = _WIDE_RANGES[0][0]
_CLOSERS = ")]}\"'\u2019\u201d\u00bb"
_CLAUSE_ENDS = ",;:\u2013\u2014\u3001\uff0c\uff1b\uff1a\u060c\u061b"
_SPACE = re.compile(r"\s+")
_INSIDE_WORDS = re.compile("(?:[\u2013\u2014]+|[\u3001\uff0c\uff1b\uff1a\u060c\u061b])(?=\\S)")
_BETWEEN_WIDE = re.compile("(?<=[\u3040-\u30ff\u3400-\u9fff])(?=[\u3400-\u9fff])")


def are_long(chars: Offsets, wide: Offsets, spaced: Offsets) -> npt.NDArray[np.bool_]:
    """Which sentences of so many characters, `wide` of them in scripts without spaces, get inner borders.

    `spaced` are the words that spaces tell; all (sentences,).
    """
    least = np.where(2 * wide > chars, _LONG_WIDE_WORDS, _LONG_WORDS)
    long: npt.NDArray[np.bool_] = np.maximum(spaced, _words_by_width(chars, wide)) >= least
    return long


def _words_by_width(chars: Offsets, wide: Offsets) -> npt.NDArray[np.float64]:
    words: npt.NDArray[np.float64] = (chars - wide) / _NARROW_CHARS + wide / _WIDE_CHARS
    return words


def wide_chars(codes: npt.NDArray[np.uint32], starts: Offsets, ends: Offsets) -> Offsets:
    """Of each of these spans of the code points `codes`, how many are of scripts without spaces."""
    if not len(codes) or codes.max() < _FIRST_WIDE:
        return np.zeros(len(starts), dtype=np.int64)
    wide = np.zeros(len(codes), dtype=np.bool_)
    for first, last in _WIDE_RANGES:
        wide |= (codes >= first) & (codes <= last)
    before = np.concatenate([[0], np.cumsum(wide)])
    counts: Offsets = before[ends] - before[starts]
    return counts


def inner_borders(sentence: str) -> list[Border]:
    """Borders inside a long sentence, rising, about as far apart as sentences are.

    Near each place wanted a line's end is taken before a clause's, and that before a word's; scripts without spaces
    count by characters.
    """
    borders = [match.span() for match in _SPACE.finditer(sentence)]
    spaced = len(borders) + 1
    widths = _widths(sentence)
    words = float(widths.sum())
    apart = _APART_LINES_WORDS if "\n" in sentence else _APART_WORDS
    if words > spaced:
        apart = min(apart, _APART_WIDE_WORDS)
        borders = sorted({*borders, *_unspaced_borders(sentence)})
        before = np.concatenate([[0], np.cumsum(widths)])
        places: list[float] = before[[stop for stop, _ in borders]].tolist() if borders else []
    else:
        words = spaced
        places = [float(number) for number in range(1, spaced)]
    parts = round(words / apart)
    wanted = (words * part / parts for part in range(1, parts))
    nearest = {_nearest(sentence, borders, places, place, apart / 2) for place in wanted}
    return [borders[number] for number in sorted(number for number in nearest if number is not None)]


def all_borders(text: str) -> list[tuple[list[int], list[int]]]:
    """Where `text` may be parted, the best kind first: stops of pieces, and the starts of what follows each."""
    spaces = [match.span() for match in _SPACE.finditer(text)]
    lines = [(stop, after) for stop, after in spaces if "\n" in text[stop:after]]
    clauses = [(stop, after) for stop, after in spaces if _ends_clause(text, stop)]
    clauses += [(match.end(), match.end()) for match in _INSIDE_WORDS.finditer(text)]
    kinds = (lines, sorted(clauses), spaces)
    return [([stop for stop, _ in kind], [after for _, after in kind]) for kind in kinds]


def _widths(text: str) -> npt.NDArray[np.float64]:
    """How much of a word each character is, where spaces don't tell; (characters,)."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    each = np.arange(len(codes))
    return _words_by_width(np.ones(len(codes), dtype=np.int64), wide_chars(codes, each, each + 1))


def _unspaced_borders(text: str) -> Iterator[Border]:
    for pattern in (_INSIDE_WORDS, _BETWEEN_WIDE):
        yield from ((match.end(), match.end()) for match in pattern.finditer(text))


def _nearest(text: str, borders: list[Border], places: list[float], wanted: float, within: float) -> int | None:
    """The border at the place wanted or near it, the best kind first; None: there is none near."""
    first, after = bisect_left(places, wanted - within), bisect_left(places, wanted + within)
    near = sorted(range(first, after), key=lambda number: abs(places[number] - wanted))
    lines = (number for number in near if "\n" in text[slice(*borders[number])])
    clauses = (number for number in near if _ends_clause(text, borders[number][0]))
    return next(chain(lines, clauses, near), None)


def _ends_clause(text: str, stop: int) -> bool:
    return text[max(stop - 4, 0) : stop].rstrip(_CLOSERS).endswith(tuple(_CLAUSE_ENDS))
