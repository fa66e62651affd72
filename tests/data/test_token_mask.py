import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training_pro.data.row_encoding import token_mask


def mask(text: str, offsets: list[tuple[int, int]], *spans: tuple[int, int]) -> list[bool]:
    return token_mask(text, np.array(offsets, np.int64).reshape(-1, 2), spans).tolist()


def test_tokens_inside_are_trained_and_those_outside_are_not():
    assert mask("abcdef", [(0, 2), (2, 4), (4, 6)], (2, 4)) == [False, True, False]


def test_a_straddling_token_is_trained_if_it_holds_trained_ink():
    assert mask("ab cd", [(0, 2), (2, 5)], (3, 5)) == [False, True]
    assert mask("ab:cd", [(0, 2), (2, 5)], (3, 5)) == [False, True]


def test_a_straddling_token_whose_trained_part_is_white_space_is_not_trained():
    assert mask("ab: \ncd", [(0, 2), (2, 4), (4, 7)], (3, 4)) == [False, False, False]


def test_white_space_tokens_inside_are_trained():
    assert mask("a\n\nb", [(0, 1), (1, 3), (3, 4)], (0, 4)) == [True, True, True]


def test_the_parts_of_a_broken_code_point_go_together():
    assert mask("a🙂b", [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)], (1, 2)) == [False, True, True, True, False]


def test_tokens_of_no_width_go_with_what_is_around_them():
    assert mask("abcd", [(0, 2), (2, 2), (2, 4), (4, 4)], (2, 4)) == [False, False, True, True]


def test_several_spans():
    assert mask("abcdef", [(0, 1), (1, 3), (3, 4), (4, 6)], (0, 1), (3, 4)) == [True, False, True, False]


@given(st.data())
def test_each_token_by_the_definition(data: st.DataObject):
    text = data.draw(st.text("ab \n", min_size=1, max_size=30))
    borders = sorted(data.draw(st.sets(st.integers(1, len(text)), max_size=10)) | {0, len(text)})
    offsets = list(zip(borders, borders[1:], strict=False))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    spans = [(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    inside = [any(a <= i < b for a, b in spans) for i in range(len(text))]
    expected = [
        all(inside[start:end]) or any(inside[i] and not text[i].isspace() for i in range(start, end))
        for start, end in offsets
    ]
    assert mask(text, offsets, *spans) == expected
