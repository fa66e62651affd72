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
from typing import NamedTuple

import numpy as np

from training_pro.text.splitting.characters import Mask, Offsets, Scan
from training_pro.text.splitting.inner_borders import are_long, inner_borders, wide_chars
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


class Spans(NamedTuple):
    """Sentences without white space around them, each an entry: where it starts and ends, the number of its section.

    `long`: whether it has so many words that windows and overlaps may begin inside. `inner`: whether it starts at such
    an inner border, not at the beginning of a sentence.
    """

    starts: Offsets
    ends: Offsets
    sections: Offsets
    long: Mask
    inner: Mask

    def but_last(self) -> Spans:
        """All but the last one."""
        return Spans(self.starts[:-1], self.ends[:-1], self.sections[:-1], self.long[:-1], self.inner[:-1])


def sentence_spans(
    text: str, sections: Offsets, abbreviations: frozenset[str] = frozenset(), fenced: bool = False
) -> Spans:
    """The whole sentences inside `sections`.

    `sections`: starts and ends, shape (sections, 2), rising, without white space at either end, none empty; what lies
    between them belongs to no sentence. Asking for many sections of one text at once is far faster than one by one: a
    call has a fixed cost of some 0.3 ms. Meant for some MB at a time, since it needs 30 bytes a character while it
    works. `fenced`: the text starts inside a code block.
    """
    found = np.frombuffer(sentence_starts(text, abbreviations, fenced), dtype=np.int64)
    starts = np.union1d(found, sections[:, 0])
    section = np.searchsorted(sections[:, 0], starts, side="right") - 1
    inside = (section >= 0) & (starts < sections[section, 1])
    starts, section = starts[inside], section[inside]
    scan = Scan(text)
    ends = scan.visible_until(np.minimum(np.append(starts[1:], len(text)), sections[section, 1]))
    return Spans(starts, ends, section, _long(scan, starts, ends), np.zeros(len(starts), dtype=np.bool_))


def with_inner_borders(text: str, spans: Spans) -> Spans:
    """The sentences, the long ones parted at their inner borders."""
    at = np.flatnonzero(spans.long).tolist()
    if not at:
        return spans
    borders: list[list[tuple[int, int]]] = []
    for start, end in zip(spans.starts[at].tolist(), spans.ends[at].tolist(), strict=True):
        borders.append([(start + stop, start + after) for stop, after in inner_borders(text[start:end])])
    repeats = np.ones(len(spans.starts), dtype=np.int64)
    repeats[at] += [len(own) for own in borders]
    first = np.cumsum(repeats) - repeats
    starts, ends = np.repeat(spans.starts, repeats), np.repeat(spans.ends, repeats)
    inner = np.ones(len(starts), dtype=np.bool_)
    inner[first] = False
    for number, own in zip(at, borders, strict=True):
        for place, (stop, after) in enumerate(own, start=int(first[number])):
            ends[place], starts[place + 1] = stop, after
    return Spans(starts, ends, np.repeat(spans.sections, repeats), np.repeat(spans.long, repeats), inner)


def _long(scan: Scan, starts: Offsets, ends: Offsets) -> Mask:
    """Which of these sentences have so many words that they get inner borders."""
    chars = ends - starts
    spaced = np.searchsorted(scan.word_starts, ends) - np.searchsorted(scan.word_starts, starts)
    return are_long(chars, wide_chars(scan.codes, starts, ends), spaced)


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
