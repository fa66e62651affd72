"""Texts whose lines were broken for width alone, made whole paragraphs again. Off the way from file to block: a tool.

Which line ends mean something is told by `line_borders`, as in splitting; a text costs about what splitting it does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numpy as np

from training_pro.text.splitting.characters import Scan
from training_pro.text.splitting.line_borders import Lines, line_borders, open_fence

_CHUNK_CHARS = 1 << 20
LOOKED_AT_BYTES = 1 << 16  # of a text, to judge it by
_ENOUGH_LINES = 20
_MOSTLY = 0.5
_HYPHEN = re.compile(r"[^\W_]-$")
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")


def unwrap(text: str) -> str:
    """`text` with every line that was broken for width alone joined to the next.

    Guarantees: apart from white space at joined line ends nothing is changed; blank lines stay, and so do the lines of
    marked headings, bulleted lists, speakers and fenced code. Verse and unmarked lists keep those of their lines that
    are well short of the widest in the paragraph.
    """
    return "".join(_unwrapped(text))


def wrapped_note(name: str, text: str) -> str:
    """What to say of a text most of whose lines were broken for width; else ""."""
    scan = Scan(text)
    lines = Lines(scan)
    within = int(np.count_nonzero(~lines.blank[:-1] & ~lines.blank[1:]))
    joined = len(_joints(scan, lines, False))
    if joined < _ENOUGH_LINES or joined < _MOSTLY * within:
        return ""
    return (
        f"{name}: its lines are broken for width, and the LoRA will learn to break them so; "
        '"Unwrap the Text file" under Tools makes whole paragraphs of them.'
    )


def _unwrapped(text: str) -> Iterator[str]:
    fenced = False
    for chunk in _chunks(text):
        scan = Scan(chunk)
        done = 0
        for end, start in _joints(scan, Lines(scan), fenced):
            yield chunk[done:end]
            yield _between(chunk[max(end - 2, 0) : end], chunk[start])
            done = start
        yield chunk[done:]
        fenced = open_fence(chunk, fenced)


def _chunks(text: str) -> Iterator[str]:
    """Pieces that end with blank lines, which are borders anyway."""
    start = 0
    while start < len(text):
        blank = text.find("\n\n", start + _CHUNK_CHARS)
        end = len(text) if blank < 0 else blank + 2
        yield text[start:end]
        start = end


def _joints(scan: Scan, lines: Lines, fenced: bool) -> list[tuple[int, int]]:
    """Where a line ends, and where the visible part of the next one starts, for each two lines that are one."""
    told = line_borders(scan, fenced)
    borders, whole = set(told.borders), _covered(told.whole, len(scan.text))
    pairs = np.flatnonzero(~lines.blank[:-1] & ~lines.blank[1:] & lines.full)  # verse could have gone on
    starts, ends = lines.first[pairs + 1].tolist(), (lines.last[pairs] + 1).tolist()
    return [(end, start) for end, start in zip(ends, starts, strict=True) if start not in borders and not whole[start]]


def _covered(spans: list[tuple[int, int]], size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    covered = np.zeros(size + 1, dtype=np.bool_)
    for start, end in spans:
        covered[start:end] = True
    return covered


def _between(line: str, after: str) -> str:
    """A space; none after a word's own hyphen, nor between characters that are written without."""
    return "" if _HYPHEN.search(line[-2:]) or (_unspaced(line[-1:]) and _unspaced(after)) else " "


def _unspaced(character: str) -> bool:
    """Whether it belongs to a script that puts no spaces between words; Korean does."""
    return unicodedata.east_asian_width(character) in ("W", "F") and not _HANGUL.match(character)
