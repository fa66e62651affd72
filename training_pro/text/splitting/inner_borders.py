"""Where a sentence may be parted inside: lines, clauses, words.

Two uses. A sentence that doesn't fit into a block is split at the best of all its borders. A sentence of many words,
as transcripts, chats and Thai have them where stops are missing, gets borders about as far apart as sentences are, so
that windows and overlaps can begin inside it. Costs some microseconds per hundred words of long sentences.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

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
_WIDE = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in _WIDE_RANGES)}]+")
_CLOSERS = ")]}\"'\u2019\u201d\u00bb"
_CLAUSE_ENDS = tuple(",;:\u2013\u2014\u3001\uff0c\uff1b\uff1a\u060c\u061b")
_SPACE = re.compile(r"\s+")
_CLAUSE_STOP = re.compile(rf"[{''.join(_CLAUSE_ENDS)}](?:(?=([{re.escape(_CLOSERS)}]{{1,3}})\s))?")
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
    at = np.flatnonzero(codes >= _FIRST_WIDE)  # few in most texts: quotation marks and dashes
    high = codes[at]
    wide = np.zeros(len(at), dtype=np.bool_)
    for first, last in _WIDE_RANGES:
        wide |= (high >= first) & (high <= last)
    at = at[wide]
    counts: Offsets = np.searchsorted(at, ends) - np.searchsorted(at, starts)
    return counts


def inner_borders(sentence: str) -> list[Border]:
    """Borders inside a long sentence, rising, about as far apart as sentences are.

    Near each place wanted a line's end is taken before a clause's, and that before a word's; scripts without spaces
    count by characters.
    """
    borders = [match.span() for match in _SPACE.finditer(sentence)]
    spaced = len(borders) + 1
    words = _words_of(sentence)
    apart = _APART_LINES_WORDS if "\n" in sentence else _APART_WORDS
    if words > spaced:
        apart = min(apart, _APART_WIDE_WORDS)
        borders = sorted({*borders, *_unspaced_borders(sentence)})
        before = np.concatenate([[0], np.cumsum(_widths(sentence))])
        places: list[float] = before[[stop for stop, _ in borders]].tolist() if borders else []
    else:
        words = spaced
        places = [float(number) for number in range(1, spaced)]
    parts = round(words / apart)
    kinds = _kinds(sentence, borders, places)
    wanted = (words * part / parts for part in range(1, parts))
    nearest = {_nearest(kinds, place, apart / 2) for place in wanted}
    return [borders[number] for number in sorted(number for number in nearest if number is not None)]


def all_borders(text: str) -> list[tuple[list[int], list[int]]]:
    """Where `text` may be parted, the best kind first: stops of pieces, and the starts of what follows each."""
    spaces = [match.span() for match in _SPACE.finditer(text)]
    lines = [(stop, after) for stop, after in spaces if "\n" in text[stop:after]]
    clauses = [(stop, after) for stop, after in spaces if _ends_clause(text, stop)]
    clauses += [(match.end(), match.end()) for match in _INSIDE_WORDS.finditer(text)]
    kinds = (lines, sorted(clauses), spaces)
    return [([stop for stop, _ in kind], [after for _, after in kind]) for kind in kinds]


def _words_of(text: str) -> float:
    """How many words `text` has, where spaces don't tell."""
    wide = sum(map(len, _WIDE.findall(text)))
    return (len(text) - wide) / _NARROW_CHARS + wide / _WIDE_CHARS


def _widths(text: str) -> npt.NDArray[np.float64]:
    """How much of a word each character is, where spaces don't tell; (characters,)."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    each = np.arange(len(codes))
    return _words_by_width(np.ones(len(codes), dtype=np.int64), wide_chars(codes, each, each + 1))


def _unspaced_borders(text: str) -> Iterator[Border]:
    for pattern in (_INSIDE_WORDS, _BETWEEN_WIDE):
        yield from ((match.end(), match.end()) for match in pattern.finditer(text))


def _kinds(text: str, borders: list[Border], places: list[float]) -> list[tuple[list[int], list[float]]]:
    """The numbers and places of the borders at a line's end, of those at a clause's end, and of all."""
    stops = [stop for stop, _ in borders]
    lines = sorted({bisect_right(stops, at) - 1 for at in _line_ends(text)})
    clause_stops = {stop for match in _CLAUSE_STOP.finditer(text) for stop in (match.end(), match.end(1))}
    clauses = [number for number, stop in enumerate(stops) if stop in clause_stops]
    return [(kind, [places[number] for number in kind]) for kind in (lines, clauses, list(range(len(stops))))]


def _line_ends(text: str) -> Iterator[int]:
    at = text.find("\n")
    while at >= 0:
        yield at
        at = text.find("\n", at + 1)


def _nearest(kinds: list[tuple[list[int], list[float]]], wanted: float, within: float) -> int | None:
    """The border at the place wanted or near it, the best kind first; None: there is none near."""
    for numbers, places in kinds:
        first, after = bisect_left(places, wanted - within), bisect_left(places, wanted + within)
        if first < after:
            at = bisect_left(places, wanted, first, after)
            if at == after or (at > first and wanted - places[at - 1] <= places[at] - wanted):
                at -= 1
            return numbers[at]
    return None


def _ends_clause(text: str, stop: int) -> bool:
    last = text[stop - 1 : stop]
    if last not in _CLOSERS:
        return last in _CLAUSE_ENDS
    return text[max(stop - 4, 0) : stop].rstrip(_CLOSERS).endswith(_CLAUSE_ENDS)
