"""Borders inside long sentences: where they lie, and how far apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.text.splitting.inner_borders import inner_borders
from training_pro.text.splitting.sentences import sentence_spans, with_inner_borders

WORDS = ["saw", "a", "and", "the", "in", "out", "said", "we", "is", "moon", "cold", "he", "when", "to", "turns"]
TALK = " ".join(WORDS[number * 7 % len(WORDS)] for number in range(600))
THAI = "ชายชราจุดตะเกียงและปีน"


def parts(sentence: str) -> list[str]:
    borders = [(0, 0), *inner_borders(sentence), (len(sentence), len(sentence))]
    return [sentence[one[1] : two[0]] for one, two in zip(borders, borders[1:], strict=False)]


def test_words_without_any_mark_are_parted_about_every_fifteen() -> None:
    found = parts(TALK)
    assert " ".join(found) == TALK
    assert {len(part.split()) for part in found} == {15}


def test_a_line_s_end_is_taken_before_a_word_s() -> None:
    lines = [" ".join(TALK.split()[at : at + 8]) for at in range(0, 400, 8)]
    found = parts("\n".join(lines))
    assert "\n".join(found) == "\n".join(lines)
    assert all(part in {*lines, *map("\n".join, zip(lines, lines[1:], strict=False))} for part in found)


def test_a_clause_s_end_is_taken_before_a_word_s() -> None:
    clause = "and the keeper, who had not slept at all that night, went down the stair again,"
    assert all(part.endswith(",") for part in parts(" ".join([clause] * 12)))


@pytest.mark.parametrize("space", [" ", "\u3000"])
def test_thai_is_parted_at_its_spaces(space: str) -> None:
    found = parts(space.join([THAI * 2] * 30))
    assert len(found) == 30 and set(found) == {THAI * 2}


def test_chinese_without_any_mark_is_parted_between_characters() -> None:
    text = "老人每天傍晚点灯然后爬上塔顶" * 20
    found = parts(text)
    assert "".join(found) == text and all(20 < len(part) < 50 for part in found)


def test_what_has_no_words_is_not_parted() -> None:
    assert parts("iVBORw0KGgo" * 200) == ["iVBORw0KGgo" * 200]


@pytest.mark.parametrize(
    ("text", "is_parted"),
    [(TALK, True), (TALK[:200], False), (THAI * 2, False), (f"{THAI * 2} " * 4, True), ("", False)],
)
def test_only_long_sentences_are_parted(text: str, is_parted: bool) -> None:
    whole = np.array([[0, len(text.strip())]] if text else np.empty((0, 2)), dtype=np.int64)
    spans = with_inner_borders(text, sentence_spans(text, whole))
    assert spans.inner.any() == is_parted


@given(
    st.lists(
        st.sampled_from(["word ", "\n", "\n\n", ", ", ". ", THAI, " ", "\u4e2d\u6587", "x" * 30, "\u2014"]),
        max_size=300,
    )
)
def test_parted_sentences_are_the_same_text(pieces: list[str]) -> None:
    text = "".join(pieces).strip()
    whole = np.array([[0, len(text)]] if text else np.empty((0, 2)), dtype=np.int64)
    plain = sentence_spans(text, whole)
    spans = with_inner_borders(text, plain)
    assert spans.starts[~spans.inner].tolist() == plain.starts.tolist()
    joined = "".join(text[start:end] for start, end in zip(spans.starts, spans.ends, strict=True))
    assert "".join(joined.split()) == "".join(text.split())
    assert all(
        text[start:end] == text[start:end].strip() != "" for start, end in zip(spans.starts, spans.ends, strict=True)
    )
