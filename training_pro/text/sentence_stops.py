"""Full stops, question marks and their kin in every script, and what the words around one say about it.

Costs some microseconds per stop. Used by both splitters: `sentences` mends sentencex with it, and
`fallback_sentences` stands on it alone.
"""

from __future__ import annotations

import re

from training_pro.text.abbreviations import BEFORE_NAME, BEFORE_NUMBER, MAY_END

# Stops of scripts written without spaces end a sentence even when nothing separates them from the next.
UNSPACED = "\u3002\uff01\uff1f\uff61\uff0e\u0964\u0965\u104b\u17d4\u17d5\u1362\u1367\u1368\u06d4\u0589"
SPACED = ".!?\u2026\u2025\u061f\u203c\u203d\u2047\u2048\u2049\u037e\u0701\u0702\u166e\u1803\u1809"
CLOSERS = "\"'\u2019\u201d\u00bb\u203a)\\]}\u300d\u300f\u3011\u300b\u3009\uff09\uff02*_\ufe0f"
STOP = re.compile(rf"[{SPACED}{UNSPACED}]+[{CLOSERS}]*\s*")

_OPENERS = "\"'([{\u201c\u2018\u00ab\u2039\u201e\u201a\u00bf\u00a1*_"
_BEFORE_CHARS = 32  # as far back as the word before a stop is looked for
_STARTERS = frozenset(
    """
    he she it they we you i the a an this that these those there then but and or so if when while what who where
    why how in on at for from after before as no yes not his her its their our my your one some all
    """.split()
)
_FIRST_WORD = re.compile(rf"[{re.escape(_OPENERS)}]*([^\W\d_]+)")


class Verdicts:
    """Judges stops; `abbreviations` are a user's own, case-folded, without their last full stop."""

    def __init__(self, abbreviations: frozenset[str] = frozenset()) -> None:
        self._never = BEFORE_NAME | abbreviations

    def at(self, text: str, stop: re.Match[str]) -> bool | None:
        """True: a sentence ends here. False: none does. None: no rule speaks."""
        mark = stop.group().rstrip()
        spaced = len(mark) < stop.end() - stop.start()
        if stop.end() >= len(text):
            return False
        if not spaced:
            return True if mark[0] in UNSPACED or mark[-1] in UNSPACED else False
        following = text[stop.end() : stop.end() + 24]
        if following[0].islower():
            return False
        if mark == ".":
            return self._after_word(text, stop, following)
        return None

    def _after_word(self, text: str, stop: re.Match[str], following: str) -> bool | None:
        """The verdict on a lone full stop, by the word before it."""
        before = text[max(0, stop.start() - _BEFORE_CHARS) : stop.start()].split()
        word = before[-1].lstrip(_OPENERS) if before else ""
        folded = word.casefold()
        if folded in self._never:
            return False
        if folded in BEFORE_NUMBER and following[0].isdigit():
            return False
        if folded in MAY_END or (len(word) > 1 and word[-2] == "."):
            return _starts_sentence(following)
        if len(word) == 1 and word.isupper() and word != "I":
            return False
        if len(before) == 1 and word.isdigit() and stop.start() == len(word):
            return False
        return None


def _starts_sentence(following: str) -> bool:
    first = _FIRST_WORD.match(following)
    return bool(first) and first.group(1).casefold() in _STARTERS
