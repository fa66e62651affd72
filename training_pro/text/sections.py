"""Sections: what lies between two hard cuts. Costs one search over the text.

The second step on a block's way: file -> sections -> sentences -> blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([\\ntrfv0]))")
_SIMPLE = {"\\": "\\", "n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_LAST_CODE_POINT = 0x10FFFF


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if not digits:
        return _SIMPLE[match[4]]
    code_point = int(digits, 16)
    is_character = code_point <= _LAST_CODE_POINT and not 0xD800 <= code_point <= 0xDFFF
    return chr(code_point) if is_character else match[0]


def unescape(typed: str) -> str:
    r"""What a person means who types ``\n\n\n``: \n \t \r \f \v \0 \\ \xHH \uHHHH \UHHHHHHHH.

    Anything else stays as typed. Line ends come back as line feeds, as in cleaned text.
    """
    return _ESCAPE.sub(_unescaped, typed).replace("\r\n", "\n").replace("\r", "\n")


def cut_pattern(cut_strings: Sequence[str]) -> str:
    """A regular expression for any of the cut strings, of two that start together the longer; "": nothing to cut at."""
    wanted = sorted({cut for cut in cut_strings if cut}, key=lambda cut: (-len(cut), cut))
    return "|".join(map(re.escape, wanted))


def section_spans(text: str, cut_strings: Sequence[str]) -> list[tuple[int, int]]:
    """The (start, end) of each section, without white space at either end; empty sections are left out."""
    pattern = cut_pattern(cut_strings)
    borders = [match.span() for match in re.finditer(pattern, text)] if pattern else []
    starts = [0, *(end for _, end in borders)]
    ends = [*(start for start, _ in borders), len(text)]
    trimmed = (trimmed_span(text, start, end) for start, end in zip(starts, ends, strict=True))
    return [(start, end) for start, end in trimmed if start < end]


def trimmed_span(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at either end; (end, end) where there is nothing else."""
    part = text[start:end]
    solid = part.lstrip()
    start = end - len(solid)
    return start, start + len(solid.rstrip())
