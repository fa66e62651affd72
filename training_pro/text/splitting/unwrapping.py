"""Hard-wrapped texts made whole paragraphs again. Beside the way from file to block: a tool.

Which line ends mean something `line_borders` says, as in splitting; a text costs about what splitting it does. A word
that was broken at a line's end is made whole: a soft hyphen goes, a hard one goes where the text has the joined word
elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from training_pro.text.splitting.characters import LETTER, LOWER, Mask, Scan
from training_pro.text.splitting.line_borders import Lines, line_borders, open_fence

_CHUNK_CHARS = 1 << 20
LOOKED_AT_BYTES = 1 << 16  # of a text, to judge it by
_ENOUGH_LINES = 20
_MOSTLY = 0.5
_NEARLY_ALL = 0.8
_HYPHENS = "-\u2010"
_SOFT_HYPHEN = "\u00ad"
_WORD_END = re.compile(r"[^\W\d_]+\Z")
_WORD_START = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]{3,}(?![-\u2010\u00ad\w])")
_LONGEST_WORD = 40
_TWO_SPACES = re.compile(r"[.!?][\"')\u2019\u201d]?  \S")  # between sentences, as on a typewriter
_VERSE = 0.6  # of the lines of verse, more begin with a capital; of hard-wrapped prose, far fewer
_LOG = 0.2  # of the lines of a log or of subtitles, more begin with a time
_NARROW_CHARS = 34  # lines no wider were not wrapped for width
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")


@dataclass(frozen=True)
class Unwrapped:
    """`text` in whole paragraphs; `joined` line ends, at which so many hyphens went and stayed."""

    text: str
    joined: int
    hyphens_gone: int
    hyphens_kept: int

    def words(self) -> str:
        """What was done, in words."""
        done = f"{self.joined:,} line ends were joined"
        if not self.hyphens_gone + self.hyphens_kept:
            return f"{done}."
        return f"{done}; of the hyphens there {self.hyphens_gone:,} were removed and {self.hyphens_kept:,} kept."


def unwrap(text: str) -> str:
    """`text` with every hard-wrapped line joined to the next.

    Guarantees: apart from white space and hyphens at joined line ends nothing is changed; blank lines stay, and so do
    the lines of marked headings, bulleted lists, speakers, chat logs and fenced code, and those that Markdown breaks
    with two spaces or a backslash. Verse and unmarked lists keep those of their lines that are well short of the widest
    in the paragraph.
    """
    return unwrapped(text).text


def unwrapped(text: str) -> Unwrapped:
    """The same, and what was done."""
    joints = _Joiner(text)
    whole = "".join(joints.pieces())
    return Unwrapped(whole, joints.joined, joints.hyphens_gone, joints.hyphens_kept)


def wrapped_note(name: str, text: str) -> str:
    """What to say of a text most of whose lines are hard-wrapped; else "", as for verse, subtitles and chat logs."""
    scan = Scan(text)
    lines = Lines(scan)
    if not _is_wrapped(lines, _joints(scan, lines, False, _spaces_break(text))):
        return ""
    return (
        f"{name} is hard-wrapped, and the LoRA will learn to break its lines; "
        '"Unwrap the Text file" under Tools makes whole paragraphs of them.'
    )


def _is_wrapped(lines: Lines, joined: list[tuple[int, int]]) -> bool:
    """Whether most lines can be joined, and are those of prose."""
    within = int(np.count_nonzero(~lines.blank[:-1] & ~lines.blank[1:]))
    return len(joined) >= max(_ENOUGH_LINES, _MOSTLY * within) and not _has_lines_of_its_own(lines, joined)


def _spaces_break(text: str) -> bool:
    """Whether two spaces break a line, as Markdown has it; not where nearly all lines of hard-wrapped prose end in them
    and the next ones go on with a small letter: a program left them there."""
    if "  \n" not in text:
        return True
    scan = Scan(text[:LOOKED_AT_BYTES])
    lines = Lines(scan)
    joined = _joints(scan, lines, False, False)
    spaced = sum(text.startswith("  ", end) for end, _ in joined)
    small = int(np.count_nonzero(scan.has(np.array([start for _, start in joined], dtype=np.int64), LOWER)))
    nearly_all = spaced >= _NEARLY_ALL * len(joined) and small > _MOSTLY * len(joined)
    return not (nearly_all and _is_wrapped(lines, joined))


def _has_lines_of_its_own(lines: Lines, joined: list[tuple[int, int]]) -> bool:
    """Whether most lines that could be joined look like verse, or the text is a log or has subtitles."""
    text = lines.scan.text
    capitals = sum(text[start].isupper() for _, start in joined)
    visible = ~lines.blank
    timed = int(np.count_nonzero(lines.stamped & visible)) + text.count(" --> ")
    narrow = float(np.median((lines.ends - lines.starts)[visible])) <= _NARROW_CHARS
    return narrow or capitals > _VERSE * len(joined) or timed > _LOG * int(np.count_nonzero(visible))


class _Joiner:
    """Joins the lines of one text, and counts."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.joined = self.hyphens_gone = self.hyphens_kept = 0

    @cached_property
    def _words(self) -> frozenset[str]:
        """The words that the text has in one piece; made where the first hyphen asks for it."""
        return frozenset(word.casefold() for word in _WORD.findall(self._text))

    def pieces(self) -> Iterator[str]:
        fenced, spaces_break = False, _spaces_break(self._text)
        for chunk in _chunks(self._text):
            scan = Scan(chunk)
            done = 0
            for end, start in _joints(scan, Lines(scan), fenced, spaces_break):
                stop, between = self._join(chunk, end, start)
                yield chunk[done:stop]
                yield between
                done = start
                self.joined += 1
            yield chunk[done:]
            fenced = open_fence(chunk, fenced)

    def _join(self, chunk: str, end: int, start: int) -> tuple[int, str]:
        """Up to where the line that ends at `end` is kept, and what stands between it and the next."""
        last = chunk[end - 1 : end]
        if last == _SOFT_HYPHEN:
            self.hyphens_gone += 1
            return end - 1, ""
        head = _WORD_END.search(chunk, max(end - 1 - _LONGEST_WORD, 0), end - 1) if last and last in _HYPHENS else None
        if head is not None:
            tail = _WORD_START.match(chunk, start, start + _LONGEST_WORD)
            whole = (head[0] + tail[0]).casefold() if tail is not None else ""
            if whole in self._words:
                self.hyphens_gone += 1
                return end - 1, ""
            self.hyphens_kept += 1
            return end, ""
        return end, "" if _unspaced(last) and _unspaced(chunk[start]) else " "


def _chunks(text: str) -> Iterator[str]:
    """Pieces that end with blank lines, which are borders anyway."""
    start = 0
    while start < len(text):
        blank = text.find("\n\n", start + _CHUNK_CHARS)
        end = len(text) if blank < 0 else blank + 2
        yield text[start:end]
        start = end


def _joints(scan: Scan, lines: Lines, fenced: bool, spaces_break: bool) -> list[tuple[int, int]]:
    """Where a line ends, and where the visible part of the next one starts, for each two lines that are one."""
    told = line_borders(scan, fenced)
    borders, whole = set(told.borders), _covered(told.whole, len(scan.text))
    inner = ~lines.blank[:-1] & ~lines.blank[1:] & ~lines.stamped[:-1] & ~_hard_breaks(lines, spaces_break)
    broken = inner & _broken_words(lines)
    pairs = np.flatnonzero(inner & lines.full | broken)  # verse could have gone on
    joints = []
    for pair in pairs.tolist():
        start = int(lines.first[pair + 1])
        if not whole[start] and (broken[pair] or start not in borders):
            joints.append((int(lines.last[pair]) + 1, start))
    return joints


def _hard_breaks(lines: Lines, spaces_break: bool) -> Mask:
    """Line ends that Markdown keeps: after a backslash, and after two spaces or more where they break a line at all.
    Spaces after a stop are none of it where the text has two of them between its sentences as well."""
    scan = lines.scan
    if len(scan.text) < 2:
        return np.zeros(len(lines.starts) - 1, dtype=np.bool_)
    last, ends = lines.last[:-1], lines.ends[:-1]
    hard: Mask = (ends - last >= 3) & (scan.codes[ends - 1] == ord(" ")) & (scan.codes[ends - 2] == ord(" "))
    hard &= spaces_break
    if _TWO_SPACES.search(scan.text):
        hard &= ~lines.ended[:-1]
    hard |= scan.codes[last] == ord("\\")
    return hard


def _broken_words(lines: Lines) -> Mask:
    """Line ends inside a word: after a soft hyphen, or after a letter and a hyphen before a small letter."""
    scan = lines.scan
    if not scan.text:
        return np.zeros(len(lines.starts) - 1, dtype=np.bool_)
    last, first = lines.last[:-1], lines.first[1:]
    hyphen = np.isin(scan.codes[last], [ord(one) for one in _HYPHENS])
    broken: Mask = scan.codes[last] == ord(_SOFT_HYPHEN)
    broken |= hyphen & scan.has(np.maximum(last - 1, 0), LETTER) & scan.has(first, LOWER)
    return broken


def _covered(spans: list[tuple[int, int]], size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    covered = np.zeros(size + 1, dtype=np.bool_)
    for start, end in spans:
        covered[start:end] = True
    return covered


def _unspaced(character: str) -> bool:
    """Whether it belongs to a script that puts no spaces between words; Korean does."""
    return unicodedata.east_asian_width(character) in ("W", "F") and not _HANGUL.match(character)
