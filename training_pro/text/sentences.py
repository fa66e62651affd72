"""Text to sentences that tile it exactly, in any script and any Unicode.

Borders at line ends come from `line_borders`; inside, `sentencex` finds the stops and `sentence_stops` mends
it; where sentencex's wheel is missing, `fallback_sentences` does the work alone. The second step on a block's
way: file -> sections -> sentences -> blocks.
"""

from __future__ import annotations

import re
from itertools import accumulate
from types import ModuleType

from training_pro.text.fallback_sentences import stop_borders
from training_pro.text.line_borders import line_borders
from training_pro.text.sentence_stops import STOP, Verdicts

try:
    import sentencex
except ImportError:
    sentencex = None

_engine: ModuleType | None = sentencex
_NON_SPACE = re.compile(r"\S")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PIECE_CHARS = 20_000  # what an engine is handed at once, so that one endless line stays linear in time


def split_sentences(text: str, abbreviations: frozenset[str] = frozenset()) -> list[str]:
    """The sentences of `text`, in order.

    Guarantees: joined, they are `text`, code point for code point; none is white space alone (unless the whole
    text is); white space after a sentence belongs to it, leading white space to the first. Empty text: [].
    """
    starts = sentence_starts(text, abbreviations)
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def sentence_starts(text: str, abbreviations: frozenset[str] = frozenset()) -> list[int]:
    """Code point offsets at which the sentences of `text` start: rising, the first is 0, none for empty text.

    Time grows with the length of `text` alone, whatever it holds; about 20 MB/s or more on prose.
    """
    if not text:
        return []
    verdicts = Verdicts(abbreviations)
    starts = [0]
    first = _NON_SPACE.search(text)
    floor = first.start() if first else len(text)
    stretch_start = 0
    for border in [*line_borders(text), len(text)]:
        for start in _stretch_borders(text[stretch_start:border], stretch_start, verdicts):
            _add(starts, text, start, floor)
        _add(starts, text, border, floor)
        stretch_start = border
    return starts


def _add(starts: list[int], text: str, start: int, floor: int) -> None:
    """Append `start`, moved past the white space it stands before, unless it starts nothing new."""
    if start < len(text) and text[start].isspace():
        found = _NON_SPACE.search(text, start)
        start = found.start() if found else len(text)
    if floor < start < len(text) and start > starts[-1]:
        starts.append(start)


def _stretch_borders(stretch: str, offset: int, verdicts: Verdicts) -> list[int]:
    """Borders inside one run of text without line borders, as offsets into the whole text."""
    borders: list[int] = []
    while stretch:
        piece = stretch[:_PIECE_CHARS]
        found = _mended(piece, verdicts) if _engine else stop_borders(piece, verdicts)
        borders.extend(offset + border for border in found)
        if len(piece) == len(stretch):
            break
        taken = found[-1] if found else len(piece)
        offset += taken
        stretch = stretch[taken:]
    return borders


def _mended(piece: str, verdicts: Verdicts) -> list[int]:
    """sentencex's borders, without those a rule forbids and with those a rule demands."""
    assert _engine is not None
    borders = set(accumulate(map(len, _engine.segment("en", _SURROGATE.sub("\ufffd", piece)))))
    for stop in STOP.finditer(piece):
        verdict = verdicts.at(piece, stop)
        if verdict is True:
            borders.add(stop.end())
        elif verdict is False:
            borders.discard(stop.end())
    borders.discard(len(piece))
    return sorted(borders)
