"""Text to sentences that tile it exactly, in any script and any Unicode.

Borders at line ends come from `line_borders`; inside lines every stop is judged by `sentence_stops`. Measured by
`tests/benchmarks/sentences_score.py`. Runs at some 25 MB/s of prose. The second step on a block's way:
file -> sections -> sentences -> blocks.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from itertools import pairwise

import numpy as np

from training_pro.text.splitting.characters import Offsets, Scan
from training_pro.text.splitting.line_borders import LineBorders, line_borders, open_fence
from training_pro.text.splitting.sentence_stops import StopJudge

_NON_SPACE = re.compile(r"\S")
_SPEECHES = re.compile("[\u300d\u300f](?=[\u300c\u300e])")  # two speakers' quotations without a stop between
_CHUNK_CHARS = 100_000  # looked at at once: bounds memory, and keeps one endless line linear in time


def split_sentences(text: str, abbreviations: frozenset[str] = frozenset()) -> list[str]:
    """The sentences of `text`, in order.

    Guarantees: joined, they are `text`, code point for code point; none is white space alone (unless the whole
    text is); white space after a sentence belongs to it, leading white space to the first. Empty text: [].
    """
    return [text[start:end] for start, end in pairwise([*sentence_starts(text, abbreviations), len(text)])]


def sentence_starts(text: str, abbreviations: frozenset[str] = frozenset(), fenced: bool = False) -> array[int]:
    """Code point offsets (int64) at which the sentences of `text` start: rising, the first is 0; none for "".

    Guarantees: those of `split_sentences`; time grows with the length of `text` alone, whatever it holds.
    `abbreviations` (from `read_abbreviations`) never end a sentence. `fenced`: the text starts inside a code block.
    """
    starts = array("q", [0] if text else [])
    judge = StopJudge(abbreviations)
    at = _visible_from(text, 0)
    while at < len(text):
        chunk, complete = _next_chunk(text, at)
        scan = Scan(chunk)
        lines = line_borders(scan, fenced)
        borders = [border for border in _chunk_borders(scan, lines, judge) if border < len(chunk)]
        starts.extend(at + border for border in borders)
        done = len(chunk)
        if not complete and borders and borders[-1] > _CHUNK_CHARS // 2:
            done = borders[-1]  # what stands after the last border is looked at again with what follows it
        fenced = open_fence(chunk[:done], fenced)
        at += done
        if complete:
            at = _visible_from(text, at)
            starts.extend([at] if at < len(text) else [])
    return starts


def sentence_spans(
    text: str, sections: Offsets, abbreviations: frozenset[str] = frozenset(), fenced: bool = False
) -> tuple[Offsets, Offsets, Offsets]:
    """Starts and ends of the sentences inside `sections`, without white space around them, and each one's section.

    `sections`: starts and ends, shape (sections, 2), rising, without white space at either end, none empty; what lies
    between them belongs to no sentence. Returns three arrays of shape (sentences,). Asking for many sections of one
    text at once is far faster than one by one: a call has a fixed cost of some 0.3 ms. Meant for some MB at a time,
    since it takes 30 bytes a character meanwhile. `fenced`: the text starts inside a code block.
    """
    found = np.frombuffer(sentence_starts(text, abbreviations, fenced), dtype=np.int64)
    starts = np.union1d(found, sections[:, 0])
    section = np.searchsorted(sections[:, 0], starts, side="right") - 1
    inside = (section >= 0) & (starts < sections[section, 1])
    starts, section = starts[inside], section[inside]
    ends = np.minimum(np.append(starts[1:], len(text)), sections[section, 1])
    return starts, Scan(text).visible_until(ends), section


def _visible_from(text: str, at: int) -> int:
    visible = _NON_SPACE.search(text, at)
    return visible.start() if visible else len(text)


def _next_chunk(text: str, at: int) -> tuple[str, bool]:
    """The chunk from `at`, and whether it ends where a border is: at a blank line or the text's end."""
    end = at + _CHUNK_CHARS
    if end >= len(text):
        return text[at:], True
    blank = text.rfind("\n\n", at, end)
    return (text[at : blank + 2], True) if blank >= 0 else (text[at:end], False)


def _chunk_borders(scan: Scan, lines: LineBorders, judge: StopJudge) -> list[int]:
    """Rising offsets of all borders in a chunk."""
    borders = set(judge.borders(scan))
    if "\u300c" in scan.text:
        borders.update(speech.end() for speech in _SPEECHES.finditer(scan.text))
    if lines.whole:
        borders = {border for border in borders if not _inside(border, lines.whole)}
    return sorted(borders.union(lines.borders))


def _inside(border: int, spans: list[tuple[int, int]]) -> bool:
    """Whether `border` lies in one of the rising `spans`, after its start and not after its end."""
    span = bisect_left(spans, (border,)) - 1
    return span >= 0 and border <= spans[span][1]
