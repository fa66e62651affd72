"""A scan's words and kinds, against plain Python on any Unicode."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training_pro.text.splitting.characters import DIGIT, LETTER, LOWER, SPACE, STOP, Scan

texts = st.text(st.characters(exclude_categories=[]) | st.sampled_from(" \n\t;.α\u2028\ud800😀"), min_size=1)


@given(texts)
def test_words_are_those_of_split(text: str) -> None:
    scan = Scan(text)
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", text)]
    assert list(zip(scan.word_starts[:-1].tolist(), scan.word_ends[:-1].tolist(), strict=True)) == words
    assert scan.word_starts[-1] == scan.word_ends[-1] == len(text)


@given(texts)
def test_kinds_are_those_of_str(text: str) -> None:
    scan = Scan(text)
    assert len(scan.codes) == len(text) and len(scan.kinds) == len(text) + 1 and scan.kinds[-1] == 0
    for at, character in enumerate(text):
        if ord(character) < 0x10000:
            kind = scan.kinds[at]
            assert bool(kind & SPACE) == character.isspace()
            assert bool(kind & LOWER) == character.islower()
            assert bool(kind & LETTER) == character.isalpha()
            assert bool(kind & DIGIT) == character.isdecimal()


def test_a_semicolon_is_a_stop_in_greek_alone() -> None:
    scan = Scan("τι; what;")
    assert scan.has(np.array([2, 8]), STOP).tolist() == [True, False]


def test_visible_from_and_until() -> None:
    scan = Scan("  ab  cd ")
    assert scan.visible_from(np.array([0, 2, 4, 8])).tolist() == [2, 2, 6, 9]
    assert scan.visible_until(np.array([3, 4, 6, 9])).tolist() == [3, 4, 4, 8]
