"""Line ends that are borders: blank lines, and the ends of lines that were not broken for width alone.

A hard-wrapped book breaks a line only where the next word would not have fitted; a chat log, a list, a
script, a heading or code breaks it for its own sake. Costs some tenths of a microsecond per line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*|[\u2029\f]\s*")
LINE_OWNER = re.compile(
    r"""\s*(?:[-*+\u2022\u2023\u25e6\u2013\u2014]\s|\#{1,6}\s|>|\||`{3}|~{3}|[(\[]?(?:\d{1,3}|[a-zA-Z])[.)\]]\s|\[\d|<\S)""",
    re.VERBOSE,
)
SPEAKER = re.compile(r"\s*[*_\[<(]*[^\W\d_][^:\n.!?]{0,30}:[*_]*(?:\s|$)")
_NARROWEST_WRAP = 40
_WIDEST_WRAP = 120


def line_borders(text: str) -> Iterator[int]:
    """Offsets just after each paragraph break and each line end that is a border, rising."""
    start = 0
    for gap in PARAGRAPH_BREAK.finditer(text):
        yield from _inner_borders(text[start : gap.start()], start)
        start = gap.end()
        yield start
    yield from _inner_borders(text[start:], start)


def _inner_borders(paragraph: str, offset: int) -> Iterator[int]:
    if "\n" not in paragraph:
        return
    lines = paragraph.split("\n")
    width = max(map(len, lines))
    wrapped = width <= _WIDEST_WRAP
    fits = max(width, _NARROWEST_WRAP)
    chat = bool(SPEAKER.match(lines[0]))
    for line, following in zip(lines, lines[1:], strict=False):
        offset += len(line) + 1
        if (
            not wrapped
            or len(line) + 1 + len(following.lstrip().partition(" ")[0]) <= fits
            or LINE_OWNER.match(following)
            or (chat and SPEAKER.match(following))
        ):
            yield offset
