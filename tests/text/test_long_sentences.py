from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.tokenizer_zoo import PythonTokenizer
from training_pro.text.encoding import TextEncoder
from training_pro.text.long_sentences import _last_that_holds
from training_pro.text.slicing import Slicing, slice_documents

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
