"""Text to sentences that tile it exactly, in any script and any Unicode.

Borders at line ends come from `line_borders`; inside lines every stop is judged by `sentence_stops`, and where
its rules leave a doubt sentencex decides, on a text without the quotes and brackets that it would keep whole. Where
sentencex's wheel is missing the likelier answer is taken. Measured by `tests/benchmarks/sentences_score.py`: so used,
sentencex does far better than alone. Runs at some 25 MB/s of prose. The second step on a block's way:
file -> sections -> sentences -> blocks.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate, pairwise
from types import ModuleType

import numpy as np

from training_pro.text.splitting.characters import Offsets, Scan
from training_pro.text.splitting.line_borders import LineBorders, line_borders, open_fence
from training_pro.text.splitting.sentence_stops import Doubt, StopJudge

try:
    import sentencex
except ImportError:
    sentencex = None

_engine: ModuleType | None = sentencex
_NON_SPACE = re.compile(r"\S")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPEECHES = re.compile("[\u300d\u300f](?=[\u300c\u300e])")  # two speakers' quotations without a stop between
_WRAPPING = re.compile('["\u201c\u201d\u201e\u2018\u00ab\u00bb\u2039\u203a()\\[\\]{}]')
_OPENING_CHARS = 3  # a border of sentencex may lie so far inside what opens the next sentence
_CHUNK_CHARS = 100_000  # looked at at once: bounds memory, and keeps one endless line linear in time


def splitter_version() -> str:
    """What decides where sentences end, in short: another version may end them elsewhere."""
    return "rules" if _engine is None else f"sentencex {version('sentencex')}"


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
    sure, doubts = judge.borders(scan)
    borders = set(sure)
    if "\u300c" in scan.text:
        borders.update(speech.end() for speech in _SPEECHES.finditer(scan.text))
    if _engine is None:
        borders.update(doubt.border for doubt in doubts if doubt.likely)
    else:
        borders.update(_confirmed(scan.text, lines.borders, doubts, _engine))
    if lines.whole:
        borders = {border for border in borders if not _inside(border, lines.whole)}
    return sorted(borders.union(lines.borders))


def _inside(border: int, spans: list[tuple[int, int]]) -> bool:
    """Whether `border` lies in one of the rising `spans`, after its start and not after its end."""
    span = bisect_left(spans, (border,)) - 1
    return span >= 0 and border <= spans[span][1]


def _confirmed(chunk: str, lines: list[int], doubts: list[Doubt], engine: ModuleType) -> Iterator[int]:
    """The borders of those doubtful stops after which sentencex starts a sentence too."""
    stretch_start = stretch_end = 0
    found: set[int] = set()
    for doubt in doubts:
        if doubt.stop >= stretch_end:
            line = bisect_right(lines, doubt.stop)
            stretch_start = lines[line - 1] if line else 0
            stretch_end = lines[line] if line < len(lines) else len(chunk)
            segments = _segments(chunk[stretch_start:stretch_end], engine)
            found = set(accumulate(map(len, segments), initial=stretch_start))
        if not found.isdisjoint(range(doubt.stop + 1, doubt.border + _OPENING_CHARS)):
            yield doubt.border


def _segments(stretch: str, engine: ModuleType) -> Sequence[str]:
    """sentencex's sentences, those inside quotations and brackets too, which it would keep whole."""
    opened = _WRAPPING.sub(" ", stretch)
    try:
        segments: Sequence[str] = engine.segment("en", opened)
    except UnicodeEncodeError:  # lone surrogates, which Rust's strings can't hold
        segments = engine.segment("en", _SURROGATE.sub("\ufffd", opened))
    return segments
