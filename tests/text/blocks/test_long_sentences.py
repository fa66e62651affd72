from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.indexing import byte_encoder
from tests.text.tokenizer_zoo import PythonTokenizer, encoder_of
from training_pro.text.blocks.long_sentences import _last_that_holds, _Sentence
from training_pro.text.blocks.slicing import Slicing, slice_documents
from training_pro.text.tokenizing.encoding import TextEncoder
from training_pro.text.tokenizing.token_lengths import TokenLengths

BYTES = TextEncoder(PythonTokenizer())  # one token a byte: a budget can be counted by hand


def pieces(text: str, max_tokens: int) -> list[str]:
    """The text's packed blocks, none of which has a BOS or an EOS."""
    blocks = slice_documents([text], Slicing(max_tokens, hard_cut="", overlap=False, eos="none"), BYTES)
    return [blocks.text(number) for number in range(len(blocks))]


@pytest.mark.parametrize(
    ("text", "max_tokens", "expected"),
    [
        ("one two, three\nfour five six seven", 16, ["one two, three", "four five six", "seven"]),
        ("one two, three four five", 16, ["one two,", "three four five"]),
        ("one two three four five", 16, ["one two three", "four five"]),
        ("abcdefghijklmnopqrstuvwxyz", 10, ["abcdefghij", "klmnopqrst", "uvwxyz"]),
        ("a 1,000,000 b c d", 11, ["a 1,000,000", "b c d"]),
        ("wait\u2014and see it", 11, ["wait\u2014", "and see it"]),
        ("\u4e2d\u6587\u5b57\u3001\u4e2d\u6587", 14, ["\u4e2d\u6587\u5b57\u3001", "\u4e2d\u6587"]),
        ('he said "yes," and went', 16, ['he said "yes,"', "and went"]),
    ],
)
def test_a_long_sentence_is_split_at_its_best_border(text: str, max_tokens: int, expected: list[str]) -> None:
    assert pieces(text, max_tokens) == expected


def test_the_last_piece_leaves_room_for_the_end_token() -> None:
    slicing = Slicing(10, hard_cut="", overlap=False, eos="cut")
    blocks = slice_documents(["abcdefghijklmnopqrst"], slicing, BYTES)
    assert [blocks.text(number) for number in range(len(blocks))] == ["abcdefghij", "klmnopqrs", "t"]
    assert blocks.lengths.tolist() == [10, 9, 2]
    assert blocks.report.split_sentences == 1


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 60))
@settings(deadline=None)
def test_the_last_that_holds_is_found_without_looking_far(first: int, count: int, limit: int) -> None:
    asked = []

    def holds(number: int) -> bool:
        asked.append(number)
        return number < limit

    found = _last_that_holds(holds, first, first + count)
    assert found == max(first - 1, min(limit, first + count) - 1)
    assert max(asked, default=0) <= max(2 * (found - first) + first + 2, first)


PIECES = [
    "Hen. ",
    "and so, ",
    "x" * 30,
    "=" * 90,
    "\u5929\u5730\u7384\u9ec4" * 8,
    "aGVuIGhlbiBoZW4+/" * 5,
    "\n\n",
    "\n\n\n",
]
PIECES += ["\u0e01" * 20, "The fox ran home. ", "\U0001f389", "! ", "\u2581", "e\u0301", "a b ", "Kettle!", " " * 40]
BOUNDED = ["bytes", "SentencePiece v1", "symbol BPE", "legacy Llama"]
UNSPACED = st.lists(st.sampled_from(PIECES), min_size=1, max_size=30).map("".join)


def bounded(name: str) -> TextEncoder:
    encoder = byte_encoder() if name == "bytes" else encoder_of(name)
    assert encoder.token_lengths is not None and encoder.token_lengths.most_bytes(1, "hen") is not None
    return encoder


def everything(text: str, slicing: Slicing, encoder: TextEncoder) -> tuple[Any, ...]:
    blocks = slice_documents([text], slicing, encoder)
    return blocks.report, [(blocks.block(number), blocks.ids(number).tolist()) for number in range(len(blocks))]


@pytest.mark.parametrize("name", BOUNDED)
@settings(max_examples=25, deadline=None)
@given(text=UNSPACED, max_tokens=st.sampled_from([8, 16, 40]), dementor=st.booleans())
def test_blocks_are_the_same_whether_or_not_it_is_known_what_can_not_fit(
    name: str, text: str, max_tokens: int, dementor: bool
) -> None:
    encoder = bounded(name)
    for slicing in (Slicing(max_tokens, dementor=dementor), Slicing(max_tokens, dementor=dementor, hard_cut="")):
        found = everything(text, slicing, encoder)
        with patch.object(TokenLengths, "most_bytes", lambda *_: None):
            assert everything(text, slicing, encoder) == found


@pytest.mark.parametrize("name", BOUNDED)
@settings(deadline=None)
@given(text=st.one_of(UNSPACED, st.text(st.characters(exclude_categories=["Cs"]))))
def test_more_bytes_than_the_most_never_fit(name: str, text: str) -> None:
    encoder = bounded(name)
    assert encoder.token_lengths is not None
    most = encoder.token_lengths.most_bytes(encoder.count(text), text)
    assert most is None or len(text.encode()) <= most


def test_bytes_that_no_token_stands_for_may_be_any_number() -> None:
    known = byte_encoder().token_lengths
    assert known is not None
    lengths = TokenLengths(known.by_id, 0, "", "\u00e9".encode()[:1])
    assert lengths.most_bytes(2, "hen") == 2 * lengths.by_id.max()
    assert lengths.most_bytes(2, "h\u00e9n") is None


class CountingEncoder(TextEncoder):
    """Counts the characters it encodes."""

    encoded = 0

    def count(self, text: str) -> int:
        self.encoded += len(text)
        return super().count(text)

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        self.encoded += sum(map(len, texts))
        return super().encode_many(texts)


@pytest.mark.parametrize("words", ["", "The hen sat. "])
def test_what_a_stretch_without_a_space_costs_grows_with_its_length_alone(words: str) -> None:
    encoded = []
    for size in (4000, 8000, 16000):
        encoder = copy.copy(byte_encoder())
        encoder.__class__ = CountingEncoder
        assert isinstance(encoder, CountingEncoder)
        slice_documents([words + "x" * size + " " + words], Slicing(16), encoder)
        encoded.append(encoder.encoded)
    assert encoded[2] - encoded[1] <= 2.2 * (encoded[1] - encoded[0])
    assert encoded[2] < 20 * 16000


@pytest.mark.parametrize("name", BOUNDED)
@settings(max_examples=25, deadline=None)
@given(text=UNSPACED, max_tokens=st.sampled_from([8, 16, 40]))
def test_places_of_cuts_that_are_added_up_are_those_that_encoding_gives(name: str, text: str, max_tokens: int) -> None:
    encoder = bounded(name)
    for slicing in (Slicing(max_tokens), Slicing(max_tokens, hard_cut="")):
        found = everything(text, slicing, encoder)
        with patch.object(_Sentence, "_measured", lambda *_: None):
            assert everything(text, slicing, encoder) == found


def test_words_without_a_stop_are_encoded_once() -> None:
    encoder = copy.copy(byte_encoder())
    encoder.__class__ = CountingEncoder
    assert isinstance(encoder, CountingEncoder)
    text = "the keeper went up the stair and lit the lamp and then " * 400
    slice_documents([text], Slicing(64, overlap=False), encoder)
    assert encoder.encoded < 1.5 * len(text)
