"""Where text may be cut without changing one token id.

A *safe cut* c between two characters means: for every a < c <= b, the ids of text[a:b] are those of text[a:c] followed
by the ids that text[c:b] has in the middle of a text. Only two places are ever taken for one: between a visible
character and a space, and between a letter and certain marks. Finding them costs about 3 ms per megabyte.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

_TABLE_SIZE = 0x10000  # what lies beyond the basic plane is looked up as its last character
_VISIBLE, _LETTER, _SPACE, _MARK = 1, 2, 4, 8
# A space's own symbol, what normalizers drop, what joins the next character's grapheme, and all beyond the basic plane.
_NEVER_BESIDE_A_CUT = "\u2581\ufffd\u115f\u1160\u3164\uffa0\u0d4e\uffff"


@dataclass(frozen=True)
class CutRule:
    """The safe cuts of one tokenizer: before a space, and between a letter and one of `after_letter`.

    `left_context` must stand before text that is encoded as the middle of a text ("" where starts are no different);
    its own `left_ids` ids are then dropped. No cut is safe in or beside a match of `awkward` with the
    white space around it.
    """

    after_letter: str
    left_context: str
    left_ids: int
    awkward: re.Pattern[str] | None = None

    def safe(self, text: str) -> Mask:
        """For each character of `text`, and for its end, whether before it is a safe cut; never at either end."""
        kinds = self._kinds.take(code_points(text), mode="clip")
        before, after = kinds[:-1], kinds[1:]
        safe = np.zeros(len(text) + 1, dtype=np.bool_)
        np.logical_or((before & _VISIBLE) & (after >> 2), (before & _LETTER) >> 1 & (after >> 3), out=safe[1:-1])
        if self.awkward is not None:
            for match in self.awkward.finditer(text):
                start, end = match.span()
                while start and text[start - 1].isspace():
                    start -= 1
                while end < len(text) and text[end].isspace():
                    end += 1
                safe[start : end + 1] = False
        return safe

    @cached_property
    def _kinds(self) -> npt.NDArray[np.uint8]:
        kinds = _character_kinds().copy()
        kinds[ord(" ")] |= _SPACE
        kinds[[ord(mark) for mark in self.after_letter]] |= _MARK
        return kinds


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The code points of `text`, which holds no lone surrogates."""
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


@cache
def _character_kinds() -> npt.NDArray[np.uint8]:
    kinds = np.zeros(_TABLE_SIZE, dtype=np.uint8)
    old = unicodedata.ucd_3_2_0  # letters since long ago: every library's tables agree on them
    for code in range(_TABLE_SIZE):
        character = chr(code)
        category = unicodedata.category(character)[0]
        if category in "LNPS":
            kinds[code] |= _VISIBLE
        if category == "L" and old.category(character)[0] == "L":
            kinds[code] |= _LETTER
    kinds[[ord(character) for character in _NEVER_BESIDE_A_CUT]] = 0
    return kinds
