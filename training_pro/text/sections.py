"""Sections: what lies between two hard cuts. Costs one search over the text.

The second step on a block's way: file -> sections -> sentences -> blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

from training_pro.text.blocks.corpus import Corpus

Span = tuple[int, int]

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([\\ntrfv0]))")
_SIMPLE = {"\\": "\\", "n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_LAST_CODE_POINT = 0x10FFFF
_NO_BREAK_SPACE = "\u00a0"
_BESIDE_LINE_ENDS = frozenset(f" \t{_NO_BREAK_SPACE}".encode())  # what a cut of line ends may hold beside them


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
    """A regular expression for any of the cut strings, of two that start together the longer; "": nothing to cut at.

    A cut string of line ends alone is found where the blank lines between hold spaces, tabs or no-break spaces too.
    """
    wanted = sorted({cut for cut in cut_strings if cut}, key=lambda cut: (-len(cut), cut))
    return "|".join(map(_one_cut, wanted))


def _one_cut(cut: str) -> str:
    if cut.strip("\n"):
        return re.escape(cut)
    return "\n" + rf"(?:[ \t]|{_NO_BREAK_SPACE})*\n" * (len(cut) - 1)


def section_spans(text: str, cut_strings: Sequence[str]) -> list[Span]:
    """The (start, end) of each section, without white space at either end; empty sections are left out."""
    pattern = cut_pattern(cut_strings)
    borders = [match.span() for match in re.finditer(pattern, text)] if pattern else []
    starts = [0, *(end for _, end in borders)]
    ends = [*(start for start, _ in borders), len(text)]
    trimmed = (trimmed_span(text, start, end) for start, end in zip(starts, ends, strict=True))
    return [(start, end) for start, end in trimmed if start < end]


def trimmed_span(text: str, start: int, end: int) -> Span:
    """The span without white space at either end; (end, end) where there is nothing else."""
    part = text[start:end]
    solid = part.lstrip()
    start = end - len(solid)
    return start, start + len(solid.rstrip())


def corpus_sections(corpus: Corpus, cut_strings: Sequence[str]) -> list[Span]:
    """The byte spans of all sections, without white space at either end; empty ones are left out.

    Guarantees: no section crosses a cut string or a document's end.
    """
    patterns = _cut_patterns(cut_strings)
    spans = []
    for document_start, document_end in zip(corpus.starts[:-1].tolist(), corpus.starts[1:].tolist(), strict=True):
        at = document_start
        found = chain.from_iterable(one.finditer(corpus.buffer, document_start, document_end) for one in patterns)
        for cut_start, cut_end in sorted(match.span() for match in found):
            spans.append(corpus.trimmed(at, cut_start))
            at = cut_end
        spans.append(corpus.trimmed(at, document_end))
    return [(start, end) for start, end in spans if start < end]


def _cut_patterns(cut_strings: Sequence[str]) -> list[re.Pattern[bytes]]:
    """Patterns for the cut strings whose matches never overlap.

    One each where they share no byte: plain strings are found ten times as fast as "one or the other".
    """
    cuts = sorted({cut for cut in cut_strings if cut})
    held = [_bytes_in(cut) for cut in cuts]
    apart = len(frozenset().union(*held)) == sum(map(len, held))
    patterns = map(_one_cut, cuts) if apart else [cut_pattern(cut_strings)]
    return [re.compile(pattern.encode("utf-8", "surrogatepass")) for pattern in patterns]


def _bytes_in(cut: str) -> frozenset[int]:
    """The bytes that what is cut out may hold."""
    own = frozenset(cut.encode("utf-8", "surrogatepass"))
    return own if cut.strip("\n") else own | _BESIDE_LINE_ENDS
