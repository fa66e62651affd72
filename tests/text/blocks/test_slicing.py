from __future__ import annotations

import logging
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.text.indexing import byte_encoder
from tests.text.reference_slicer import PlainSlicer
from tests.text.tokenizer_zoo import SAMPLE, ZOO, encoder_of
from tests.text.words import WORDS
from training_pro.errors import Cancelled, DataError
from training_pro.text.blocks import slicing as slicing_module
from training_pro.text.blocks.blocks import Blocks
from training_pro.text.blocks.slicing import Slicing, slice_documents
from training_pro.text.blocks.stretches import Stretches
from training_pro.text.sections import section_spans, unescape
from training_pro.text.tokenizing.encoding import TextEncoder

OPAQUE = {"unigram, unparted", "word-spanning BPE", "Python"}
TEXTS = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=60).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)
SLICINGS = st.builds(
    Slicing,
    max_tokens=st.sampled_from([16, 17, 31, 32, 33, 64, 256]),
    hard_cut=st.sampled_from(["\\n\\n\\n", "\\n", "", "***"]),
    overlap=st.booleans(),
    dementor=st.booleans(),
    min_block_chars=st.sampled_from([0, 0, 10]),
    add_bos=st.booleans(),
    eos=st.sampled_from(["none", "block", "cut"]),
)


def plain_blocks(blocks: Blocks, texts: list[str], slicing: Slicing, encoder: TextEncoder) -> list[tuple[Any, ...]]:
    """What the blocks must be, by the plain slicer, given the sentences."""
    table, corpus = blocks._runs.text.sentences, blocks._runs.text.corpus
    expected: list[tuple[Any, ...]] = []
    section = 0
    for number, text in enumerate(texts):
        base = int(corpus.starts[number])
        for span in section_spans(text, [unescape(slicing.hard_cut), encoder.eos_text]):
            own = np.flatnonzero(table.sections == section).tolist()
            offsets = [(int(table.starts[k]), int(table.ends[k])) for k in own]
            sentences = [(len(corpus.text(base, start)), len(corpus.text(base, end))) for start, end in offsets]
            assert (sentences[0][0], sentences[-1][1]) == span
            gaps = zip(sentences, sentences[1:], strict=False)
            assert all(text[one[1] : two[0]].strip() == "" for one, two in gaps), "text is lost between sentences"
            has_bos, has_eos = encoder.bos_id is not None, encoder.eos_id is not None
            inner = table.inner[own].tolist()
            slicer = PlainSlicer(text, sentences, slicing, encoder.count, has_bos, has_eos, inner)
            expected += [(number, section, b.kind, b.start, b.end, b.eos) for b in slicer.blocks()]
            section += 1
    return expected


def check(texts: list[str], slicing: Slicing, encoder: TextEncoder) -> Blocks:
    """Slice, and compare ids with the tokenizer's and blocks with the plain slicer's."""
    blocks = slice_documents(texts, slicing, encoder)
    bos = [encoder.bos_id] if slicing.add_bos and encoder.bos_id is not None else []
    found = []
    for number in range(len(blocks)):
        block = blocks.block(number)
        text = texts[block.document][block.start : block.end]
        assert text == blocks.text(number) == text.strip() != ""
        ids = [*bos, *encoder.encode(text).tolist(), *([encoder.eos_id] if block.eos else [])]
        assert blocks.ids(number).tolist() == ids
        assert len(ids) == block.tokens == blocks.lengths[number] <= slicing.max_tokens
        found.append((block.document, block.section, block.kind, block.start, block.end, block.eos))
    assert found == plain_blocks(blocks, texts, slicing, encoder)
    return blocks


@pytest.mark.parametrize("name", ZOO)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.lists(TEXTS, max_size=3), slicing=SLICINGS)
def test_blocks_are_exact_for_any_text_and_tokenizer(name: str, texts: list[str], slicing: Slicing) -> None:
    with patch.object(slicing_module.logger, "warning", side_effect=AssertionError("the cut rule doesn't hold")):
        check(texts, slicing, encoder_of(name))


@pytest.mark.parametrize("name", ["byte BPE with NFC", "SentencePiece v1", "unigram"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, slicing=SLICINGS, size=st.sampled_from([40, 200]))
def test_long_sections_in_small_stretches_are_as_exact(name: str, text: str, slicing: Slicing, size: int) -> None:
    small = partial(Stretches, stretch_bytes=size)
    warn = patch.object(slicing_module.logger, "warning", side_effect=AssertionError("the cut rule doesn't hold"))
    with patch.object(slicing_module, "Stretches", small), warn:
        check([text * 4], slicing, encoder_of(name))


@pytest.mark.parametrize("max_tokens", [16, 33, 64, 256])
def test_smollm2_s_blocks_of_the_sample_are_exact(smol_tokenizer: Any, max_tokens: int) -> None:
    sample = SAMPLE.read_text(encoding="utf-8")[:6000]
    encoder = TextEncoder(smol_tokenizer)
    for slicing in (Slicing(max_tokens, eos="cut"), Slicing(max_tokens, dementor=True, hard_cut="")):
        assert not check([sample], slicing, encoder)._runs.text.opaque.any()


TALK = st.lists(
    st.sampled_from(
        ["word and word ", "so ", "it went, ", "\n", ". ", "! ", "\u0e0a\u0e32\u0e22\u0e0a\u0e23\u0e32 ", "\n\n\n"]
    ),
    min_size=20,
    max_size=150,
).map("".join)


@pytest.mark.parametrize("name", ["byte BPE with NFC", "SentencePiece v1", "unigram", "Python"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TALK, slicing=SLICINGS, size=st.sampled_from([200, 1 << 19]))
def test_windows_and_overlaps_in_long_sentences_are_as_exact(name: str, text: str, slicing: Slicing, size: int) -> None:
    small = partial(Stretches, stretch_bytes=size)
    with patch.object(slicing_module, "Stretches", small):
        check([text], slicing, encoder_of(name))


def spoken(words: list[str], each: int, stop: str) -> str:
    return stop.join(" ".join(words[at : at + each]) for at in range(0, len(words), each)) + stop


@pytest.mark.parametrize("max_tokens", [64, 256])
@pytest.mark.parametrize(("each", "between"), [(13, " "), (9, "\n")])
def test_a_transcript_without_stops_is_seen_as_often_as_with_them(
    smol_tokenizer: Any, max_tokens: int, each: int, between: str
) -> None:
    encoder = TextEncoder(smol_tokenizer)
    words = [
        ("the", "keeper", "saw", "a", "cold", "moon", "and", "went", "out", "again")[n * n % 10] for n in range(2600)
    ]
    for dementor in (False, True):
        slicing = Slicing(max_tokens, dementor=dementor)
        plain = slice_documents([spoken(words, each, between)], slicing, encoder).report
        marked = slice_documents([spoken(words, each, "." + between)], slicing, encoder).report
        assert plain.overlap == pytest.approx(marked.overlap, rel=0.2)
        assert plain.depth == pytest.approx(marked.depth, rel=0.2)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from([16, 17, 32]))
def test_every_visible_character_is_in_one_packed_block(text: str, max_tokens: int) -> None:
    blocks = slice_documents([text], Slicing(max_tokens, eos="cut"), encoder_of("byte BPE with NFC"))
    packed = [block for block in map(blocks.block, range(len(blocks))) if block.kind == "packed"]
    joined = "".join(text[block.start : block.end] for block in packed)
    kept = "".join(text[start:end] for start, end in section_spans(text, ["\n\n\n", "</s>"]))
    assert "".join(joined.split()) == "".join(kept.split())


@pytest.mark.parametrize("name", sorted(set(ZOO) - OPAQUE))
def test_known_tokenizers_are_encoded_in_pieces(name: str) -> None:
    blocks = slice_documents([SAMPLE.read_text(encoding="utf-8")], Slicing(), encoder_of(name))
    assert not blocks._runs.text.opaque.any()


def test_the_end_of_text_string_is_a_hard_cut_and_others_are_text() -> None:
    encoder = encoder_of("SentencePiece v1")
    blocks = slice_documents(["One <s> two.</s>Three."], Slicing(overlap=False), encoder)
    assert [blocks.text(number) for number in range(len(blocks))] == ["One <s> two.", "Three."]
    assert [blocks.ids(0).tolist().count(control) for control in (encoder.bos_id, encoder.eos_id)] == [1, 1]


def test_small_blocks_are_dropped_and_counted() -> None:
    blocks = slice_documents(["Tiny.\n\n\nA longer one \u00e9."], Slicing(min_block_chars=5), encoder_of("unigram"))
    assert (blocks.report.dropped_small, [blocks.text(0)]) == (1, ["A longer one \u00e9."])


def test_the_report_counts_windows_and_depth() -> None:
    text = "One two three. Four five six. Seven eight nine. " * 20
    report = slice_documents([text, "Short."], Slicing(64, dementor=True), encoder_of("unigram")).report
    assert (report.sections, report.packed, report.overlap, report.short_sections) == (2, 0, 0, 1)
    assert report.windows > 2
    assert report.depth == report.window_tokens / report.text_tokens > 1.5


@pytest.mark.parametrize("stretch_bytes", [20, 50, 1 << 19])
@pytest.mark.parametrize("dementor", [False, True])
def test_each_sentence_that_was_split_is_counted_once_however_often_it_was_cut(
    stretch_bytes: int, dementor: bool
) -> None:
    long = "word after word and so on " * 10 + "ends."  # cut on the way where stretches are small, and then again
    texts = [f"He sat. {long} She ran. {long} {long}\n\n\nIt is here.", f"{long}", "Short."]
    slicing, small = Slicing(16, eos="none", dementor=dementor), partial(Stretches, stretch_bytes=stretch_bytes)
    with patch.object(slicing_module, "Stretches", small):
        report = slice_documents(texts, slicing, byte_encoder()).report
    assert report.split_sentences == 4


def test_a_missing_bos_is_said() -> None:
    report = slice_documents(["Text."], Slicing(), encoder_of("Python")).report
    assert (report.bos_missing, report.eos_missing) == (True, False)


def test_a_character_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match=r"U\+1F389\).* takes 5 tokens .* raise it to 5 or more"):
        slice_documents(["a \U0001f389"], Slicing(4), encoder_of("Python"))


def test_a_rule_that_fails_is_noticed_and_done_without(caplog: pytest.LogCaptureFixture) -> None:
    encoder = TextEncoder(ZOO["word-spanning BPE"]())
    encoder.cut_rule = encoder_of("byte BPE with NFC").cut_rule  # wrong: tokens span words
    with caplog.at_level(logging.WARNING):
        blocks = check([SAMPLE.read_text(encoding="utf-8")[:3000]], Slicing(64), encoder)
    assert blocks._runs.text.opaque.any()
    assert "slow" in caplog.text


def test_slicing_can_be_cancelled() -> None:
    def cancel(done: int, total: int, what: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        slice_documents(["Some text."], Slicing(), encoder_of("unigram"), cancel)


def test_nothing_gives_no_blocks() -> None:
    for texts in ([], [""], [" \n\u2028", "\n\n\n"]):
        for slicing in (Slicing(), Slicing(dementor=True)):
            assert len(slice_documents(texts, slicing, encoder_of("unigram"))) == 0


@pytest.mark.parametrize("name", ["SentencePiece v1", "legacy Llama", "symbol BPE"])
def test_a_first_sentence_without_a_safe_cut_is_encoded_as_a_start(name: str) -> None:
    slicing = Slicing(12, hard_cut="", overlap=False, add_bos=False, eos="none")
    with patch.object(slicing_module.logger, "warning", side_effect=AssertionError("the cut rule doesn't hold")):
        assert len(check(["\U00010400\U00010400!\n\n\U00010400\U00010400! x"], slicing, encoder_of(name))) > 1
