"""Full stops, question marks and their kin in every script, and what the words around one say about it.

Array passes settle the plain stops; a Python rule judges each odd one, at some microseconds. `sentences` asks
sentencex about those left in doubt.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from training_pro.text.abbreviations import KINDS, MONTHS, STARTERS, Kind
from training_pro.text.characters import (
    CLOSER,
    CLOSERS,
    CLOSING_BRACKETS,
    CLOSING_QUOTES,
    DASHES,
    LETTER,
    LOWER,
    OPENERS,
    SPACE,
    STOP,
    STOPS,
    UNSPACED_STOPS,
    Mask,
    Offsets,
    Scan,
)

_MARK = re.compile(rf"[{re.escape(STOPS)}]+(?:[{re.escape(CLOSERS)}]|[^\S\n]\u00bb|\[\d{{1,3}}\])*\s*")
_FULL_STOP = ord(".")
_UNSPACED_CODES = [ord(stop) for stop in UNSPACED_STOPS]
_BEFORE_CHARS = 40  # as far back as the words before a stop are looked for
_AFTER_CHARS = 48
_FIRST_WORD = re.compile(rf"[{re.escape(OPENERS)}'\s-]*([^\W\d_]+(?:['\u2019][^\W\d_]+)?)(\.?)")
_ROMAN = re.compile(r"[IVXLC]+\b")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}\Z")
_SAYING = (
    "said|says|asked|asks|replied|cried|answered|shouted|whispered|exclaimed|muttered|murmured|called|yelled|"
    "screamed|demanded|returned|added|continued|inquired|enquired|remarked|observed|ejaculated|roared|sighed|thought"
)
_SPEECH_TAG = re.compile(rf"(?:I|(?:(?:Mr|Mrs|Dr|Miss|Sir|Lady|Captain)\.? )?[A-Z][\w'\u2019-]+) (?:{_SAYING})\b")
_CJK_TAG = re.compile(
    "[\u3068\u3063\u306a\u3067\u306e\u304c\u306f\u3092\u306b\u3082\u3001\uff0c\u2014]"
    "|[^\u3002\uff0c\\s]{0,4}[\u8bf4\u8aaa\u95ee\u554f\u9053\u558a\u53eb\u7b54]"
)


class Verdict(IntEnum):
    """Whether a sentence ends at a stop; sentencex has the last word on the unlikely and the likely ones."""

    NEVER = 0
    UNLIKELY = 1
    LIKELY = 2
    SURE = 3


class Stops(NamedTuple):
    """Stops of one text: where each starts and where the sentence after it would, with its verdict."""

    starts: list[int]
    borders: list[int]
    verdicts: list[Verdict]


class StopJudge:
    """Judges stops. `abbreviations`: a user's own, case-folded, without their last full stop."""

    def __init__(self, abbreviations: frozenset[str] = frozenset()) -> None:
        self._kinds = {**KINDS, **dict.fromkeys(abbreviations, Kind.INSIDE)}

    def stops(self, scan: Scan) -> Stops:
        """All stops of a text at which a sentence may end, rising."""
        found = Stops([], [], [])
        stops = np.flatnonzero(scan.kinds & STOP)
        if not len(stops):
            return found
        follows = scan.visible_from(stops + 1)
        spaced = scan.has(stops + 1, SPACE)
        plain = spaced & (stops > 0) & scan.has(stops - 1, LETTER) & scan.has(follows, LETTER)
        ends_plainly = plain & ~scan.has(follows, LOWER) & ~self._odd_words(scan, stops, plain)
        closed = scan.has(stops + 1, STOP | CLOSER) | np.isin(scan.codes[stops], _UNSPACED_CODES)
        odd = ~ends_plainly & ~(plain & scan.has(follows, LOWER)) & (spaced | closed)
        marked_up_to = 0
        for stop, border, is_plain in zip(
            stops[ends_plainly | odd].tolist(),
            follows[ends_plainly | odd].tolist(),
            ends_plainly[ends_plainly | odd].tolist(),
            strict=True,
        ):
            verdict = Verdict.LIKELY
            if not is_plain:
                if stop < marked_up_to or (mark := _MARK.match(scan.text, stop)) is None:
                    continue
                border = marked_up_to = mark.end()
                verdict = self._verdict(scan.text, stop, border)
            if verdict:
                found.starts.append(stop)
                found.borders.append(border)
                found.verdicts.append(verdict)
        return found

    def _odd_words(self, scan: Scan, stops: Offsets, plain: Mask) -> Mask:
        """Which of the plain full stops stand after an abbreviation, a single letter, or a word with stops in it."""
        odd: Mask = plain & (scan.codes[stops] == _FULL_STOP)
        at = np.flatnonzero(odd)
        ends = stops[at]
        begins = scan.token_starts[np.searchsorted(scan.token_starts, ends) - 1]
        words = [scan.text[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        odd[at] = [len(word) == 1 or word.lstrip("'").casefold() in self._kinds or "." in word for word in words]
        return odd

    def _verdict(self, text: str, start: int, end: int) -> Verdict:
        """Whether a sentence of `text` ends with the mark `text[start:end]`, its white space included."""
        if end == len(text):
            return Verdict.NEVER  # there is nothing left to start
        mark = text[start:end]
        following = text[end]
        if not mark[-1].isspace():
            return _unspaced(text, mark, end)
        if following.islower() or following in STOPS:
            return Verdict.NEVER
        if following in DASHES:
            first = _FIRST_WORD.match(text, end, end + _AFTER_CHARS)
            if first and first.group(1)[0].islower():
                return Verdict.NEVER
        if mark[0] == "." and mark[1].isspace():
            return self._after_word(text, start, end)
        return _after_mark(text, start, end, mark.rstrip())

    def _after_word(self, text: str, start: int, end: int) -> Verdict:
        """The verdict on a lone full stop, by the word before it."""
        before = text[max(0, start - _BEFORE_CHARS) : start].split()
        word = before[-1].lstrip(OPENERS + "'") if before else ""
        kind = self._kinds.get(word.casefold())
        if kind is None:
            return _after_odd_word(text, start, end, word, before)
        if kind is Kind.INSIDE:
            return Verdict.NEVER
        if kind is Kind.NUMBERED:
            numbered = text[end].isdigit() or _ROMAN.match(text, end)
            return Verdict.NEVER if numbered else Verdict.LIKELY
        return Verdict.SURE if _starts_sentence(text, end) else Verdict.UNLIKELY


def _after_odd_word(text: str, start: int, end: int, word: str, before: list[str]) -> Verdict:
    """The verdict after a word that may be an initial, a number or an abbreviation with stops inside."""
    if len(word) == 1 and word.isupper():
        return _after_initial(text, end, word, before)
    if word.isdigit():
        return _after_number(text, start, end, word)
    if _DOTTED.match(word):
        return Verdict.SURE if _starts_sentence(text, end) else Verdict.UNLIKELY
    return Verdict.LIKELY


def _after_initial(text: str, end: int, letter: str, before: list[str]) -> Verdict:
    after_plain_word = len(before) > 1 and before[-2].islower()
    if _starts_sentence(text, end):
        return Verdict.LIKELY
    return Verdict.LIKELY if letter == "I" and after_plain_word else Verdict.NEVER


def _after_number(text: str, start: int, end: int, digits: str) -> Verdict:
    if len(digits) < 4 and not text[text.rfind("\n", 0, start) + 1 : start - len(digits)].strip():
        return Verdict.NEVER  # a list's or a heading's number
    first = _FIRST_WORD.match(text, end, end + _AFTER_CHARS)
    if first and len(digits) < 3 and first.group(1).casefold() in MONTHS:
        return Verdict.NEVER
    return Verdict.LIKELY


def _after_mark(text: str, start: int, end: int, mark: str) -> Verdict:
    """The verdict on question and exclamation marks, ellipses, and stops with quotes or brackets after them."""
    closing = mark[-1]
    if closing in CLOSING_QUOTES:
        if mark[0] != "." and _SPEECH_TAG.match(text, end, end + _AFTER_CHARS):
            return Verdict.NEVER
        return Verdict.SURE if mark[0] != "\u2026" else Verdict.LIKELY
    if closing in CLOSING_BRACKETS:
        return Verdict.SURE if _is_aside(text, start) else Verdict.UNLIKELY
    return Verdict.LIKELY


def _is_aside(text: str, start: int) -> bool:
    """Whether the bracket that closes after `start` holds a sentence of its own: one ends before it."""
    opened = text.rfind("(", max(0, start - 400), start)
    head = text[max(0, opened - 3) : opened].rstrip()
    return not head or head[-1] in '.!?\u2026"\u201d\u2019:'


def _starts_sentence(text: str, at: int) -> bool:
    first = _FIRST_WORD.match(text, at, at + _AFTER_CHARS)
    return first is not None and not first.group(2) and first.group(1).casefold() in STARTERS


def _unspaced(text: str, mark: str, end: int) -> Verdict:
    """The verdict on a stop that no white space follows: only scripts without spaces end sentences so."""
    following = text[end]
    last_stop = mark.rstrip(CLOSERS)[-1]
    if last_stop not in UNSPACED_STOPS:
        return Verdict.NEVER
    if unicodedata.category(following).startswith("M") or following in "\u200d\u3001\uff0c,;":
        return Verdict.NEVER
    if last_stop == "\uff0e" and following.isdigit():
        return Verdict.NEVER
    if mark[-1] in CLOSING_QUOTES and _CJK_TAG.match(text, end):
        return Verdict.NEVER
    return Verdict.SURE
