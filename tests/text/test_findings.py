"""Control tokens and characters by accident: counted, shown, and cleaned on wish."""

from __future__ import annotations

import pytest

from tests.text.tokenizer_zoo import encoder_of
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.findings import found_in
from training_pro.text.stray_characters import Stray, clean, strays

CLEAN = "The keeper climbed, at 5 < 6 & 7; A&B; \u00e9\t\u201cWell.\u201d\n\n\x0cNext."


def test_control_tokens_are_counted_the_commonest_first() -> None:
    found = found_in(Corpus.of_texts(["<s>a</s></s> <think>", "b</s>"]), "", encoder_of("SentencePiece v1"))
    assert (found.control_tokens, found.control_token_count, found.as_tokens) == ({"</s>": 3, "<s>": 1}, 4, False)


@pytest.mark.parametrize(
    ("text", "stray", "cleaned"),
    [
        (
            "The lock was open.\x00 He slept.\x00\x1a",
            Stray("control characters", 3, "U+0000"),
            "The lock was open. He slept.",
        ),
        ("a\x85b\x92s", Stray("control characters", 1, "U+0092"), "a\x85bs"),
        ("One.\n\n\n\ufeffTwo.", Stray("byte order marks", 1, "\ufeff"), "One.\n\n\nTwo."),
        ("&ldquo;Well,&rdquo; she &amp; he.", Stray("HTML entities", 3, "&ldquo;"), "\u201cWell,\u201d she & he."),
        ("a&nbsp;b &#8212; c", Stray("HTML entities", 2, "&nbsp;"), "a b \u2014 c"),
        ("One.<br>Two <i>three</i>.", Stray("HTML tags", 3, "<br>"), "One.\nTwo three."),
        ("a\ufffdb", Stray("replacement characters", 1, "\ufffd"), "a\ufffdb"),
    ],
)
def test_strays_are_counted_and_cleaned(text: str, stray: Stray, cleaned: str) -> None:
    (found,) = strays(Corpus.of_texts([text]))
    assert (found.kind, found.count) == (stray.kind, stray.count)
    assert found.example in (stray.example, "U+FEFF")
    made, count = clean(text)
    assert made == cleaned
    assert count == (0 if made == text else stray.count)


def test_a_clean_text_stays_as_it_is() -> None:
    assert strays(Corpus.of_texts([CLEAN])) == []
    assert clean(CLEAN) == (CLEAN, 0)


def test_only_the_kinds_asked_for_are_cleaned() -> None:
    assert clean("a\x00 &amp;", frozenset({"control characters"})) == ("a &amp;", 1)
