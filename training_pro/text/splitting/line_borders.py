"""Line ends that are borders: blank lines, and the ends of lines that were not broken for width alone.

A hard-wrapped book breaks a line only where the next word would not have fitted; a chat log, a list, a script,
a heading or code breaks it for its own sake. Costs array passes per line, and a regex on odd-looking lines.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training_pro.text.splitting.characters import (
    BREAK,
    CLOSER,
    DASHES,
    DIGIT,
    LETTER,
    LINE_BREAKS,
    LOWER,
    STOP,
    Mask,
    Scan,
)
from training_pro.text.splitting.speech import speaker_labels

_FENCE = re.compile(r"[ \t]*(?:`{3}|~{3})")
_FENCE_LINES = re.compile(
    rf"(?:^|(?<=[{LINE_BREAKS}]))[ \t]*((?:`{{3}}|~{{3}})[^{LINE_BREAKS}]*?)\s*(?=[{LINE_BREAKS}]|\Z)"
)
_GAP = "[ \t\u00a0\u202f]"
_DIRECTIONS = (
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"  # chat exports put them before a time
)
_HIDDEN = f"[{_DIRECTIONS}]*"
_TIME = rf"\d{{1,2}}[:.]\d\d(?:[:.]\d\d)?(?:{_GAP}?[aApP]\.?[mM]\b\.?)?"
_MONTH = r"(?:\d{1,2}|[^\W\d_]{3,9}\.?)"
_DATE = (
    rf"(?:\d{{1,4}}{_HIDDEN}[./-]{_MONTH}{_HIDDEN}[./-]\d{{1,4}}\.?|\d{{1,2}}\.?{_GAP}[^\W\d_]{{3,9}}\.?{_GAP}\d{{4}})"
)
_BEFORE_TIME = rf"(?:[^\W\d_]{{3,10}}{_GAP}|\d{{1,2}}{_GAP}[^\W\d_]{{3,9}}{_GAP}@{_GAP})?"  # "Thursday ", "1 Feb @ "
_STAMP = re.compile(
    rf"{_HIDDEN}[ \t]*(?:[\[(<]{_GAP}?(?:{_DATE}|{_BEFORE_TIME}{_TIME})"
    rf"|{_DATE}[,\u060c]?(?:{_GAP}+|T)(?:at{_GAP}+)?{_TIME}"
    rf"|\[[^\]\n]{{1,40}}\]{_GAP}\[[^\]\n\d]{{0,4}}{_TIME}\]"
    rf"|\d{{4}}\.{_GAP}\d{{1,2}}\.{_GAP}\d{{1,2}}\.{_GAP}[^\W\d_]{{2}}{_GAP}{_TIME}"
    rf"|{_TIME}[ \t]*$)",
    re.MULTILINE,
)
_DAY_AND_TIME = (
    rf"(?:[^\W\d_]{{3}},{_GAP})?[^\W\d_]{{3,9}}\.?{_GAP}\d{{1,2}}(?:,{_GAP}\d{{4}},?{_GAP}(?:at{_GAP})?|{_GAP}){_TIME}"
)
_WORDY_STAMP = re.compile(  # "Feb 1, 2024 10:00 AM - ", "Otter — Today at 10:00", "Otter  [10:00 AM]", "Otter (0:10): "
    rf"{_DAY_AND_TIME}(?:{_GAP}[-\u2013<]|{_GAP}*$)"
    rf"|[^\W\d_a-z][^\n:\[(]{{0,30}}(?:{_GAP}\u2014{_GAP}[^\n:]{{0,16}}?{_TIME}[ \t]*$"
    rf"|{_GAP}{{1,2}}\[{_TIME}\][ \t]*$|{_GAP}\({_TIME}\):)",
    re.MULTILINE,
)
_NAME_AND_STAMP = re.compile(
    rf"[^\[\n]{{1,60}},{_GAP}?\[(?:{_DATE},?{_GAP}?(?:at{_GAP})?(?:{_TIME})?|{_DAY_AND_TIME}|{_TIME})\]:?{_GAP}*$",
    re.MULTILINE,
)
_STAMP_OPENERS = _DIRECTIONS + "[(<"
_BULLETS = "-+*\u2022\u2023\u25aa\u25e6\u00b7"
_BULLET = re.compile(
    rf"""[ \t]*(?:
    [{_BULLETS}]
    |\d{{1,3}}:\d{{1,3}}(?::\d\d)?
    |\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}}[,:]?
    |[(\[]?(?:\d{{1,3}}|[ivxIVX]{{1,4}}|[a-zA-Z])[.)\]]
    )[ \t]+\S""",
    re.VERBOSE,
)
_DASH_SPEECH = re.compile(r"[ \t]*[\u2013\u2014\u2015]")
_HEADING = re.compile(r"[ \t]*(?:\#{1,6}[ \t]|[=*_-]{3,}[ \t]*$)", re.MULTILINE)
_MARKED = re.compile(r"[ \t]*(?:\||\d{4}-\d\d-\d\d\s|<[^\W\d_][^>\n]*>|!\[)")
_ASIDE = re.compile(r"[ \t]*\([^()\n]*\)[ \t]*$", re.MULTILINE)
_SPEAKER = re.compile(r"[ \t]*[*_\[<(@]*[^\W\d_][^:\uff1a\n.!?,;]{0,30}(?::[*_]*\s|\uff1a)")

_NARROWEST_WRAP = 30  # shorter lines are never taken for wrapped prose
_WIDEST_WRAP = 120  # longer lines were never wrapped: each is a paragraph
_PLANE = 0x10000  # from here on characters are of no kind
_NO_KIND = np.uint8(0)
_SPEAKER_CHARS = 34  # a speaker's colon stands no farther into its line


class LineBorders(NamedTuple):
    """What the lines of a text tell: all offsets rising.

    borders: where a line, or the first after blank ones, starts something new (at its first visible character).
    whole: starts and ends of parts in which no stop ends a sentence, such as lines of code.
    """

    borders: list[int]
    whole: list[tuple[int, int]]


class Lines:
    """The lines of a scanned text, as arrays of one entry per line; a break's index is that of the line it ends."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        breaks = np.flatnonzero((scan.kinds & BREAK) != 0)
        self.starts = np.append(0, breaks + 1)
        self.ends = np.append(breaks, len(scan.text))
        words = np.searchsorted(scan.word_starts[:-1], self.starts)  # index of each line's first word, or a later one
        self.first = scan.word_starts[words]
        self.first_word_ends = scan.word_ends[words]
        self.blank = self.first >= self.ends
        last_words = np.append(words[1:], len(scan.word_starts) - 1) - 1
        self.last = np.maximum(scan.word_ends[last_words] - 1, 0)  # last visible character; of a blank line, anything
        paragraph_opens = self.blank.copy()
        paragraph_opens[0] = True
        self.paragraph_firsts = np.flatnonzero(paragraph_opens)
        self.paragraph = np.cumsum(paragraph_opens) - 1  # index of each line's paragraph

    @cached_property
    def ended(self) -> Mask:
        """Whether the line ends with a stop or a colon, closing quotes aside."""
        before = np.maximum(self.last - 1, 0)
        stopped = self.scan.has(self.last, STOP) | (self.scan.has(self.last, CLOSER) & self.scan.has(before, STOP))
        codes = self.scan.codes[self.last]
        ended: Mask = stopped | (codes == ord(":")) | (codes == ord("\uff1a"))
        return ended

    @cached_property
    def stamped(self) -> Mask:
        """Lines that begin with a date and time, or with one of them in brackets, as a chat log's messages do; or that
        are a name and such a bracket."""
        stamped = self.matching(_STAMP, self.begin_with(_STAMP_OPENERS, DIGIT))
        bracketed = (
            ~self.blank & np.isin(self.scan.codes[self.last], [ord("]"), ord(":")]) if self.scan.text else stamped
        )
        wordy = self.begin_with("", LETTER) & self.has_early_colon
        return stamped | self.matching(_NAME_AND_STAMP, bracketed) | self.matching(_WORDY_STAMP, wordy)

    @cached_property
    def has_early_colon(self) -> Mask:
        """Lines with a colon within the length of a speaker's name."""
        colons = np.flatnonzero((self.scan.codes == ord(":")) | (self.scan.codes == ord("\uff1a")))
        colons = np.append(colons, len(self.scan.text) + _SPEAKER_CHARS)
        near: Mask = colons[np.searchsorted(colons[:-1], self.first)] - self.first < _SPEAKER_CHARS
        return near & ~self.blank

    @cached_property
    def full(self) -> Mask:
        """Breaks at which the next line's first word would not have fitted in the width of the paragraph."""
        length = self.ends - self.starts
        narrow = np.where(length <= _WIDEST_WRAP, length, 0)
        width = np.maximum(np.maximum.reduceat(narrow, self.paragraph_firsts), _NARROWEST_WRAP)
        first_word = self.first_word_ends - self.first
        full: Mask = length[:-1] + 1 + first_word[1:] > width[self.paragraph[:-1]]
        return full

    def begin_with(self, characters: str, kind: np.uint8 = _NO_KIND) -> Mask:
        """Which lines' first visible character is one of `characters` or of this kind.

        Characters outside the basic plane, whose kinds aren't known, count as such: patterns decide on them.
        """
        codes = self.first_codes
        begin: Mask = np.isin(codes, [ord(character) for character in characters]) | (codes >= _PLANE)
        if kind:
            begin |= self.scan.has(self.first, kind)
        return begin & ~self.blank

    @cached_property
    def first_codes(self) -> npt.NDArray[np.uint32]:
        """The first visible characters; of a blank line, anything."""
        codes = self.scan.codes
        return codes[np.minimum(self.first, len(codes) - 1)] if len(codes) else np.zeros(1, dtype=np.uint32)

    def matching(self, pattern: re.Pattern[str], candidates: Mask) -> Mask:
        """Which of the candidate lines `pattern` matches at their start."""
        matches = candidates.copy()
        for line in np.flatnonzero(candidates):
            matches[line] = pattern.match(self.scan.text, int(self.starts[line])) is not None
        return matches


def line_borders(scan: Scan, fenced: bool = False) -> LineBorders:
    """The borders at line ends; `fenced`: a code fence was open at the start of the text."""
    lines = Lines(scan)
    if len(lines.starts) == 1 and not fenced:
        return LineBorders([], [])
    hard = _always(lines) | _owned(lines) | _unpunctuated(lines)
    whole = speaker_labels(scan, lines.first[_paragraph_firsts(lines)])
    if fenced or "```" in scan.text or "~~~" in scan.text:
        code = _code(lines, fenced)
        hard |= code[:-1] | code[1:]
        whole += zip(lines.starts[code].tolist(), lines.ends[code].tolist(), strict=True)
    starts = set(scan.visible_from(lines.starts[1:][hard]).tolist())
    return LineBorders(sorted(starts), sorted(whole))


def open_fence(text: str, fenced: bool = False) -> bool:
    """Whether a code fence is open at the end of `text`, which starts and ends with whole lines.

    `fenced`: one is open at its start. A fence that names a language opens, whatever came before.
    """
    if "```" in text or "~~~" in text:
        for fence in _FENCE_LINES.finditer(text):
            fenced = not fenced or bool(fence[1].strip("`~"))
    return fenced


def _paragraph_firsts(lines: Lines) -> Mask:
    """Lines that start a paragraph: after a blank line, or after a line that ended with a stop."""
    firsts: Mask = ~lines.blank & np.append(True, lines.blank[:-1] | lines.ended[:-1])
    return firsts


def _code(lines: Lines, fenced: bool) -> Mask:
    """The code fences and the lines between two, or after the last."""
    code = np.zeros(len(lines.starts), dtype=np.bool_)
    inside_from = 0 if fenced else None
    for line in np.flatnonzero(lines.matching(_FENCE, ~lines.blank)):
        code[line] = True
        fence = lines.scan.text[lines.first[line] : lines.ends[line]].strip()
        if inside_from is None or fence.strip("`~"):  # one that names a language opens, whatever came before
            inside_from = line
        else:
            code[inside_from : line + 1] = True
            inside_from = None
    if inside_from is not None:
        code[inside_from:] = True
    return code


def _always(lines: Lines) -> Mask:
    """Breaks beside blank lines, at form feeds and paragraph separators, and after lines too long to be wrapped."""
    codes = lines.scan.codes[lines.ends[:-1]]
    long = (lines.ends - lines.starts)[:-1] > _WIDEST_WRAP
    always: Mask = lines.blank[:-1] | lines.blank[1:] | long | (codes == 0x0C) | (codes == 0x2029)
    return always


def _unpunctuated(lines: Lines) -> Mask:
    """Breaks in paragraphs of short lines without any punctuation at their ends, such as letter heads."""
    inner = ~lines.blank[:-1] & ~lines.blank[1:]
    running = inner & (
        ~lines.scan.has(lines.last[:-1], LETTER | DIGIT) | lines.full | lines.scan.has(lines.first[1:], LOWER)
    )
    count = np.bincount(lines.paragraph[:-1][running], minlength=len(lines.paragraph_firsts))
    unpunctuated: Mask = count[lines.paragraph[:-1]] == 0
    return unpunctuated


def _owned(lines: Lines) -> Mask:
    """Breaks before or after a line that is something of its own: a list item, a heading, a speaker's line."""
    headings = lines.matching(_HEADING, lines.begin_with("#=*_-"))
    marked = lines.matching(_MARKED, lines.begin_with("|<!", DIGIT)) | lines.stamped | headings
    bullets = lines.matching(_BULLET, lines.begin_with(_BULLETS + "([", DIGIT) | _short_first_words(lines))
    dashes = lines.matching(_DASH_SPEECH, lines.begin_with(DASHES))
    alone = headings | lines.matching(_ASIDE, lines.begin_with("(")) | _capitals(lines)
    before_item = lines.ended[:-1] | bullets[:-1] | ~lines.full
    owned: Mask = marked[1:] | alone[:-1] | _speakers(lines)[1:]
    owned |= (bullets[1:] & before_item) | (dashes[1:] & lines.ended[:-1])
    return owned


def _capitals(lines: Lines) -> Mask:
    """Lines in capitals alone, without a stop: the name of who speaks next in a script, or a heading."""
    scan = lines.scan
    capitals: Mask = ~lines.blank & (lines.ends - lines.first < _SPEAKER_CHARS) & scan.has(lines.last, LETTER | CLOSER)
    capitals &= ~scan.has(np.minimum(lines.first + 1, lines.ends), LOWER)
    for line in np.flatnonzero(capitals):
        capitals[line] = scan.text[lines.first[line] : lines.ends[line]].isupper()
    return capitals


def _short_first_words(lines: Lines) -> Mask:
    """Lines that may start with "iv." or "a)"."""
    ends = lines.first_word_ends
    last = lines.scan.codes[np.maximum(ends - 1, 0)]
    short: Mask = ~lines.blank & (ends - lines.first <= 5) & ((last == ord(".")) | (last == ord(")")))
    return short


def _speakers(lines: Lines) -> Mask:
    """Lines like "Alice: Hello", in paragraphs that have at least two."""
    speakers = lines.matching(_SPEAKER, lines.has_early_colon)
    count = np.bincount(lines.paragraph[speakers], minlength=len(lines.paragraph_firsts))
    speakers &= count[lines.paragraph] > 1
    return speakers
