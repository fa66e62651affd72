from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.sections import corpus_sections, section_spans, unescape


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (r"\n\n\n", "\n\n\n"),
        (r"\t\\n", "\t\\n"),
        (r"\x41\u00e9\U0001F389", "A\u00e9\U0001f389"),
        (r"\q \ \x4 \ud800 \UFFFFFFFF", r"\q \ \x4 \ud800 \UFFFFFFFF"),
        (r"\r\n***\r", "\n***\n"),
        ("***", "***"),
        ("", ""),
    ],
)
def test_escapes_are_understood_and_the_rest_stays(typed: str, meant: str) -> None:
    assert unescape(typed) == meant


@pytest.mark.parametrize(
    ("text", "cuts", "sections"),
    [
        ("one\n\n\ntwo\n\n\n\n\n\n\n three ", ["\n\n\n"], ["one", "two", "three"]),
        ("a***b****c", ["***"], ["a", "b", "*c"]),
        ("a<end>b<end><end>", ["<end>", "***"], ["a", "b"]),
        ("a<end of part>b", ["<end", "<end of part>"], ["a", "b"]),
        ("a.b|c", ["."], ["a", "b|c"]),
        (" whole\n", [""], ["whole"]),
        ("a\n \n\t\nb \n\u00a0\n\n  c", ["\n\n\n"], ["a", "b", "c"]),
        ("a\n \n. \n\nb", ["\n\n\n"], ["a\n \n. \n\nb"]),
        ("a\n\u3000\n\nb", ["\n\n\n"], ["a\n\u3000\n\nb"]),
        ("a \n b\n\nc", ["\n"], ["a", "b", "c"]),
        ("a\n \n\nb</s>c", ["\n\n\n", "</s>"], ["a", "b", "c"]),
        (" \n\u2028", [], []),
    ],
)
def test_text_is_cut_at_every_cut_string(text: str, cuts: list[str], sections: list[str]) -> None:
    assert [text[start:end] for start, end in section_spans(text, cuts)] == sections


CUTS = ["\n", "\n\n", "\n\n\n", "*", "\u00e9", "\n \n", ""]


@given(st.lists(st.text(st.sampled_from("ab \n\t\u00a0\u00e9\U0001f389*"))), st.sets(st.sampled_from(CUTS)))
def test_a_corpus_is_cut_like_its_texts(texts: list[str], cuts: set[str]) -> None:
    corpus = Corpus.of_texts(texts)
    expected = [text[start:end] for text in texts for start, end in section_spans(text, sorted(cuts))]
    assert [corpus.text(start, end) for start, end in corpus_sections(corpus, sorted(cuts))] == expected
