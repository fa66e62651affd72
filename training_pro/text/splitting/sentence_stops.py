"""Full stops, question marks and their kin in every script, and what the words around one say about it.

Array passes settle the plain stops; a Python rule judges each odd one, at some microseconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numpy as np

from training_pro.text.splitting.abbreviations import BEFORE_ORDINAL, KINDS, MONTHS, STARTERS, StopMeaning
from training_pro.text.splitting.characters import (
    CLOSERS,
    CLOSING_BRACKETS,
    CLOSING_QUOTES,
    DASHES,
    DIGIT,
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
from training_pro.text.splitting.speech import continues_speech, names_speaker

_FULL_STOP = ord(".")
_LEADS = DASHES + "-\u00bf\u00a1"  # what may stand before the first letter of words that go on
_FIRST_UNSPACED = min(map(ord, UNSPACED_STOPS))
_EMOJI = "\u2600-\u27bf\ufe0f\U0001f000-\U0001faff"
_MARK = re.compile(
    rf"""(?:[{re.escape(STOPS)}]+|;)
    (?:[{re.escape(CLOSERS)}](?<![\u201c\u2018\u00ab])|[\u201c\u2018\u00ab](?=[\s,.;:)]|\Z)  # these also open quotes
    |[^\S\n][\u00bb\u203a]|\[\w{{1,3}}\]|[\u00b9\u00b2\u00b3\u2070-\u2079\u2020\u2021]|\ ?[{_EMOJI}]+)*
    \s*""",
    re.VERBOSE,
)
_NOTE = re.compile(r"\[\w{1,3}\]\Z")
_WORD_BREAK = re.compile(rf"[{DASHES}(\[]")
_BEFORE_CHARS = 40  # how far back the words before a stop are searched
_AFTER_CHARS = 48
_SENTENCE_CHARS = 200  # the search for the start of a sentence goes no farther back
_UNLISTED_CHARS = 4  # a word this long that is in no list is no abbreviation, though a small letter follows
_FIRST_WORD = re.compile(rf"[{re.escape(OPENERS)}'\s-]*([^\W\d_]+(?:['\u2019][^\W\d_]+)?)(\.?)")
_ROMAN = re.compile(r"[IVXLC]+\b")
_DOUBLED = re.compile(r"([^\W\d_])\1(?=\.|\Z)")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}\Z")
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_NUMBER_LABEL = re.compile(r"[\s*_]*(?:[(\[]?(?:\d{1,3}(?:\.\d{1,3})*|[IVXLCivxlc]{1,6}|[^\W\d_])[.)\]]+)[\s*_]*\Z")
_LABEL_CHARS = 60


class StopJudge:
    """Judges stops. `abbreviations`: a user's own, case-folded, without their last full stop."""

    def __init__(self, abbreviations: frozenset[str] = frozenset()) -> None:
        self._kinds = {**KINDS, **dict.fromkeys(abbreviations, StopMeaning.INSIDE)}

    def borders(self, scan: Scan) -> list[int]:
        """Offsets at which sentences start after a stop, in no order."""
        stops = np.flatnonzero((scan.kinds & STOP) != 0)  # of flags: ten times as fast as of numbers
        if not len(stops):
            return []
        follows = scan.visible_from(stops + 1)
        spaced = scan.has(stops + 1, SPACE)
        full_stop = scan.codes[stops] == _FULL_STOP
        plain = spaced & (stops > 0) & scan.has(stops - 1, LETTER) & scan.has(follows, LETTER)
        plain &= ~self._odd_words(scan, stops, plain & full_stop)
        small = scan.has(follows, LOWER)
        closed = ~scan.has(stops + 1, SPACE | LETTER | DIGIT) | (scan.codes[stops] >= _FIRST_UNSPACED)
        odd = closed | (spaced & ~plain) | (plain & small & full_stop)
        return [*follows[plain & ~small].tolist(), *self._judged(scan.text, stops[odd].tolist())]

    def _judged(self, text: str, stops: list[int]) -> Iterator[int]:
        marked_up_to = 0
        for stop in stops:
            if stop < marked_up_to or (mark := _MARK.match(text, stop)) is None:
                continue
            marked_up_to = mark.end()
            if self._ends_sentence(text, stop, marked_up_to):
                yield marked_up_to

    def _odd_words(self, scan: Scan, stops: Offsets, plain: Mask) -> Mask:
        """Which of the plain full stops stand after an abbreviation, a single letter, or a word with stops in it."""
        at = np.flatnonzero(plain)
        ends = stops[at]
        begins = scan.token_starts[np.searchsorted(scan.token_starts, ends) - 1]
        words = [scan.text[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        odd = np.zeros(len(stops), dtype=np.bool_)
        odd[at] = [
            len(word) == 1 or _listed(word) in self._kinds or not word.isalpha() or word.isupper() for word in words
        ]
        return odd

    def _ends_sentence(self, text: str, start: int, end: int) -> bool:
        """Whether a sentence of `text` ends with the mark `text[start:end]`, its white space included."""
        if end == len(text):
            return False  # there is nothing left to start
        mark = text[start:end]
        following = text[end]
        if not mark[-1].isspace():
            return _unspaced(text, mark, end)
        if following in STOPS:
            return False
        alone = mark[0] == "." and mark[1].isspace()
        if following.islower():
            return alone and self._ends_before_small_letter(text, start)
        if following in _LEADS:
            first = _FIRST_WORD.match(text, end, end + _AFTER_CHARS)
            if first and first.group(1)[0].islower():
                return False
        if alone:
            return self._after_word(text, start, end)
        return _after_mark(text, start, end, mark.rstrip())

    def _ends_before_small_letter(self, text: str, start: int) -> bool:
        """Whether a lone full stop before a small letter ends one: some people write all sentences so."""
        word = _words_before(text, start)[-1]
        if not word.isalpha() or len(word) == 1 or word.isupper() or _listed(word) in self._kinds:
            return False
        if len(word) >= _UNLISTED_CHARS:
            return True
        return _starts_small(text, start)

    def _after_word(self, text: str, start: int, end: int) -> bool:
        """Whether a lone full stop ends a sentence, by the word before it."""
        before = _words_before(text, start)
        word = before[-1]
        if _is_label(text, start + 1, end):
            return False
        if len(word) == 1 and word.isalpha():
            return _after_letter(text, end, word, before)
        kind = self._kinds.get(_listed(word))
        if kind is StopMeaning.ET_CETERA or (word == "am" and before[-2:-1] == ["I"]):
            return True
        if kind is None or (kind is StopMeaning.TITLE and word[0].islower()):
            return _after_odd_word(text, end, word, before)
        if kind is StopMeaning.NUMBERED:
            return not text[end].isdigit() and _ROMAN.match(text, end) is None
        if kind is StopMeaning.ENDING:
            return _starts_sentence(text, end)
        return False


def _listed(word: str) -> str:
    """`word` as the lists have it: case-folded, without an article before an apostrophe ("l'avv")."""
    return word.replace("\u2019", "'").rpartition("'")[2].casefold()


def _starts_small(text: str, start: int) -> bool:
    """Whether the sentence that the stop at `start` may end has itself no capital at its beginning."""
    head = text[max(0, start - _SENTENCE_CHARS) : start]
    begin = max(head.rfind("\n"), *(head.rfind(mark) + 1 for mark in (". ", "? ", "! ", "> ", ": ")))
    first = _FIRST_WORD.match(head, begin + 1 if begin > 0 else 0)
    return first is not None and first.group(1)[0].islower()


def _words_before(text: str, start: int) -> list[str]:
    """The words that end at `start`, the last without what opens it; at least one, perhaps empty."""
    words = text[max(0, start - _BEFORE_CHARS) : start].split() or [""]
    words[-1] = _WORD_BREAK.split(words[-1].lstrip(OPENERS + "'"))[-1]
    if (
        len(words) > 1
        and len(words[-1]) == 1
        and len(words[-2]) == 2
        and words[-2][1] == "."
        and not (words[-1].isupper() and words[-2].isupper())
    ):
        words[-2:] = [words[-2] + words[-1]]  # "z. B", "т. д"
    return words


def _is_label(text: str, head_end: int, next_start: int) -> bool:
    """Whether the line up to `head_end` is a number or a name in capitals that belongs to what follows on it:
    "IV.", "HAMLET.", "CHAPTER 2.", "ANN (softly).".
    """
    if "\n" in text[head_end:next_start]:
        return False  # alone on its line: a heading
    line_start = text.rfind("\n", max(0, head_end - _LABEL_CHARS), head_end) + 1
    if not line_start and head_end > _LABEL_CHARS:
        return False
    head = text[line_start:head_end]
    if _NUMBER_LABEL.match(head):
        return True
    name = _IN_BRACKETS.sub("", head)
    first = _FIRST_WORD.match(text, next_start, next_start + _AFTER_CHARS)
    all_capitals_follow = first is not None and len(first.group(1)) > 1 and first.group(1).isupper()
    return len(name) > 2 and name.isupper() and not all_capitals_follow


def _after_odd_word(text: str, end: int, word: str, before: list[str]) -> bool:
    """The same after a word that may be a number or an abbreviation with stops inside."""
    if word.isdigit():
        return _after_number(text, end, word, before)
    if len(word) < _UNLISTED_CHARS and text[end].isdigit() and word.casefold() not in STARTERS:
        return False  # "čp. 12": an abbreviation that no list has
    if _DOTTED.match(word):
        return _starts_sentence(text, end)
    return not (_DOUBLED.match(word) and _DOUBLED.match(text, end))  # "EE. UU."


def _after_letter(text: str, end: int, letter: str, before: list[str]) -> bool:
    """The same after a single letter: mostly an initial, or part of an abbreviation."""
    if text[end] in CLOSING_QUOTES + OPENERS:
        return True
    if text[end].isdigit() or (text[end].isalpha() and text[end + 1 : end + 2] == "."):
        return False  # "p. 12", "z. B."
    if _starts_sentence(text, end):
        return True
    after_plain_word = len(before) > 1 and before[-2].islower()
    return letter == "I" and after_plain_word


def _after_number(text: str, end: int, digits: str, before: list[str]) -> bool:
    first = _FIRST_WORD.match(text, end, end + _AFTER_CHARS)
    if first and len(digits) < 3 and first.group(1).casefold() in MONTHS:
        return False
    ordinal = len(digits) < 3 and len(before) > 1 and before[-2].casefold() in BEFORE_ORDINAL
    return not ordinal or _starts_sentence(text, end)


def _after_mark(text: str, start: int, end: int, mark: str) -> bool:
    """The same for question and exclamation marks, ellipses, and stops with quotes or brackets after them."""
    closing = _NOTE.sub("", mark)[-1]
    if closing in CLOSING_QUOTES:
        return not names_speaker(text, end)
    if closing in CLOSING_BRACKETS:
        if _is_label(text, start + len(mark), end):
            return False
        return _is_aside(text, start)
    return True


def _is_aside(text: str, start: int) -> bool:
    """Whether the bracket that closes after `start` holds a sentence of its own: one ends before it."""
    opened = text.rfind("(", max(0, start - 400), start)
    head = text[max(0, opened - 3) : opened].rstrip()
    return not head or head[-1] in '.!?\u2026"\u201d\u2019:'


def _starts_sentence(text: str, at: int) -> bool:
    first = _FIRST_WORD.match(text, at, at + _AFTER_CHARS)
    return first is not None and not first.group(2) and first.group(1).casefold() in STARTERS


def _unspaced(text: str, mark: str, end: int) -> bool:
    """The same for a stop that no white space follows: only scripts without spaces end sentences so."""
    following = text[end]
    last_stop = mark.rstrip(CLOSERS)[-1]
    if last_stop not in UNSPACED_STOPS:
        return False
    if unicodedata.category(following).startswith("M") or following in "\u200d\u3001\uff0c,;":
        return False
    if last_stop == "\uff0e" and following.isdigit():
        return False
    return not (mark[-1] in CLOSING_QUOTES and continues_speech(text, end))
