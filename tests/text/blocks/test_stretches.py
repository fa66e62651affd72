from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.indexing import CUT, byte_encoder
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.stretches import Stretch, Stretches, byte_offsets
from training_pro.text.sections import corpus_sections, section_spans
from training_pro.text.tokenizing.cuts import CutRule

RULE = CutRule(after_letter="", left_context="", left_ids=0)  # cuts before spaces alone
WORDS = ["Hen. ", "It sat ", "\u00e9\u4e2d\u3002", "\U0001f389! ", "\n\n", CUT, "no stop ", "\n```\nx. y\n\nz\n```\n"]


def sections_of(texts: Sequence[str], cuts: Sequence[str]) -> list[str]:
    corpus = Corpus.of_texts(texts)
    return [corpus.text(*span) for span in corpus_sections(corpus, cuts)]


def stretches_of(text: str, size: int, longest: int = 1 << 20, **choices: object) -> tuple[Corpus, list[Stretch]]:
    corpus = Corpus.of_texts([text])
    sections = corpus_sections(corpus, [CUT])
    rule = choices.pop("rule", RULE)
    return corpus, list(Stretches(corpus, sections, rule, longest, stretch_bytes=size, **choices))


def sentences_of(corpus: Corpus, stretches: Sequence[Stretch]) -> list[str]:
    spans = (zip(one.sentence_starts.tolist(), one.sentence_ends.tolist(), strict=True) for one in stretches)
    return [corpus.text(start, end) for stretch in spans for start, end in stretch]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 9))
def test_byte_offsets_are_those_of_utf_8(text: str, base: int) -> None:
    assert byte_offsets(text, base).tolist() == [base + len(text[:at].encode()) for at in range(len(text) + 1)]


def test_sections_end_at_cuts_and_documents_and_have_no_white_space_around() -> None:
    assert sections_of([" a \n\n\n b\n", "", "c***d\n\n\n\n"], ["\n\n\n", "***", ""]) == ["a", "b", "c", "d"]
    assert sections_of(["a\n\n\n\nb"], ["\n\n\n\n", "\n\n"]) == ["a", "b"]  # of two that start together the longer
    assert sections_of(["a\n\n\nb", " \n"], []) == ["a\n\n\nb"]
    assert sections_of(["ax\n\n\n\nb"], ["\n\n\n", "x\n"]) == ["a", "b"]


@given(st.text("ab*\n.", max_size=40), st.sampled_from([["\n\n", "**"], ["*\n", "\n\n"], ["\n"], ["a", "aa"]]))
def test_sections_are_those_of_one_search_for_any_cut(text: str, cuts: list[str]) -> None:
    assert sections_of([text], cuts) == [text[start:end] for start, end in section_spans(text, cuts)]


def test_short_sections_share_a_stretch() -> None:
    corpus, stretches = stretches_of(f"One fox. Two.{CUT}Three hens.", size=100)
    (stretch,) = stretches
    assert sentences_of(corpus, stretches) == ["One fox.", "Two.", "Three hens."]
    assert stretch.sentence_sections.tolist() == [0, 0, 1]
    assert [stretch.text[at:] for at in stretch.cut_characters.tolist()] == [
        f"One fox. Two.{CUT}Three hens.",
        f" fox. Two.{CUT}Three hens.",
        f" Two.{CUT}Three hens.",
        f"{CUT}Three hens.",
        "Three hens.",
        " hens.",
        "",
    ]
    assert stretch.starts_section.nonzero()[0].tolist() == [0, 4]
    assert stretch.ends_section.nonzero()[0].tolist() == [3, 6]


@pytest.mark.parametrize("size", [16, 30, 1000])
def test_a_long_section_has_the_same_sentences_in_any_stretches(size: int) -> None:
    text = "The fox ran home. A hen sat there! Where was it? " * 8
    corpus, stretches = stretches_of(text, size)
    assert sentences_of(corpus, stretches) == ["The fox ran home.", "A hen sat there!", "Where was it?"] * 8
    assert (len(stretches) > 1) == (size < 1000)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map("".join), st.sampled_from([9, 40, 200]))
def test_sentences_tile_the_text_and_cuts_go_on_from_stretch_to_stretch(text: str, size: int) -> None:
    corpus, stretches = stretches_of(text, size, longest=30)
    assert "".join("".join(sentences_of(corpus, stretches)).split()) == "".join(text.split())
    for one, two in pairwise(stretches):
        same_section = one.sentence_sections[-1] == two.sentence_sections[0]
        if same_section and len(one.cuts) and len(two.cuts):
            assert one.cuts[-1] == two.cuts[0] and not two.starts_section[0]
        assert one.sentence_ends[-1] <= two.sentence_starts[0]
    for stretch in stretches:
        assert (stretch.cuts[1:] > stretch.cuts[:-1]).all()


def test_a_sentence_without_end_is_ended_after_a_whole_word() -> None:
    corpus, stretches = stretches_of("word after word " * 10, size=25, longest=25)
    sentences = sentences_of(corpus, stretches)
    assert sum(stretch.forced for stretch in stretches) == len(sentences) - 1 > 3
    assert {word for sentence in sentences for word in sentence.split()} == {"word", "after"}


def test_a_sentence_longer_than_a_stretch_is_kept_whole_if_it_may_be() -> None:
    corpus, stretches = stretches_of("word after word " * 10 + "ends. Next.", size=25)
    assert sentences_of(corpus, stretches)[-1] == "Next."
    assert len(sentences_of(corpus, stretches)) == 2 and not any(stretch.forced for stretch in stretches)


@pytest.mark.parametrize("size", [15, 20, 35, 50, 60, 1000])
def test_code_stays_code_across_stretches(size: int) -> None:
    lines = ["```", "if x. Then y", "or z. Then w", "and v. Then u", "```"]
    corpus, stretches = stretches_of("So it was.\n\n" + "\n\n".join(lines) + "\n\nAnd more. Hens.", size)
    assert sentences_of(corpus, stretches) == ["So it was.", *lines, "And more.", "Hens."]


def test_without_a_rule_there_are_no_cuts() -> None:
    for size in (10, 100):
        _, stretches = stretches_of("The fox ran. A hen sat.", size, rule=None)
        assert all(not len(stretch.cuts) for stretch in stretches)


def test_own_abbreviations_hold_in_short_and_long_sections() -> None:
    text = "He met Obst. Weber there. She left."
    for size in (20, 100):
        corpus, stretches = stretches_of(text, size, abbreviations=frozenset({"obst"}))
        assert sentences_of(corpus, stretches) == ["He met Obst. Weber there.", "She left."]


def test_the_byte_tokenizer_of_these_tests_may_be_cut() -> None:
    rule = byte_encoder().cut_rule
    assert rule is not None and rule.safe("one two").nonzero()[0].tolist() == [3]
