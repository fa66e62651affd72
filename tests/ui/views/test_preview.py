from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.ui.made import NASTY, preview
from tests.ui.views.test_markup import Reader
from training_pro.data.preview import TokenPreview
from training_pro.ui.views.preview import MOST_TOKENS, neighbour_borders, preview_view


@given(st.lists(st.text(max_size=8), min_size=1, max_size=20))
def test_the_text_is_there_whole_and_as_text(texts: list[str]) -> None:
    read = Reader(preview_view(preview(texts), 1))
    wanted = "".join(texts).replace("\n", "↵\n")
    assert read.words.endswith(wanted) or wanted.replace("\r", "\n") in read.words.replace("\r", "\n")
    assert not set(read.tags) - {"div", "p", "span", "s", "u", "i"}


def test_each_token_says_whether_it_is_trained() -> None:
    html = preview_view(preview(["a", "b", "c"], [False, True, True]), 7)
    tokens = re.search(r'tp-tokens">(.*)</div>', html, re.DOTALL)
    assert tokens is not None
    assert re.findall(r"tp-(trained|untrained)", tokens[1]) == ["untrained", "trained", "trained"]
    assert "trained: 2" in html and "not trained: 1" in html
    assert "Block 1 of 7" in html


def test_control_tokens_and_ends_are_named() -> None:
    block = preview(["x"])
    special = TokenPreview(0, "<s>", True, False)
    html = preview_view(type(block)(**{**vars(block), "tokens": (special, *block.tokens), "bos": True}), 1)
    assert "control tokens: 1" in html and "· BOS" in html
    assert html.count("tp-special") == 2  # in the legend and in the text


def test_search_marks_every_token_of_a_find() -> None:
    html = preview_view(preview(["The la", "mp ", "is"]), 1, words="LAMP")
    assert html.count("tp-found") == 2
    assert "tp-found" not in preview_view(preview(["The"]), 1, words=" ")


def test_a_very_long_block_is_cut_and_says_so() -> None:
    html = preview_view(preview(["a"] * (MOST_TOKENS + 5)), 1)
    assert "5 more tokens are not shown" in html


def test_neighbours_begin_and_end_inside() -> None:
    here = preview(["0123456789"], start=0, end=10)
    next_one = preview(["6789abcdef"], number=1, kind="overlap", start=6, end=16)
    borders = neighbour_borders(here, [next_one])
    assert [(border.place, border.what) for border in borders] == [(6, "block 2 (overlap) begins here")]
    assert neighbour_borders(here, [preview(["x"], source="other.txt", start=6, end=16)]) == []


def test_a_border_stands_before_the_token_that_begins_there() -> None:
    here = preview(["012345", "6789"], start=100, end=110)
    html = preview_view(here, 1, neighbour_borders(here, [preview(["x"], number=1, start=106, end=120)]))
    assert re.search(r"012345</s><i class=\"tp-border\"[^>]*></i><s", html)


def test_a_border_stands_before_the_space_that_belongs_to_the_token_that_begins_there() -> None:
    here = preview(["It is.", " The", " lamp"], start=100, end=115)
    html = preview_view(here, 1, neighbour_borders(here, [preview(["x"], number=1, start=107, end=130)]))
    assert re.search(r"It is.</s><i class=\"tp-border\"[^>]*></i><s[^>]*> The", html)
    assert "begins or ends" in html, "the legend says what the bar is"
    ends = preview_view(here, 1, neighbour_borders(here, [preview(["x"], number=1, start=90, end=110)]))
    assert re.search(r" The</s><i class=\"tp-border\"[^>]*></i><s[^>]*> lamp", ends)


def test_control_tokens_of_the_text_itself_move_what_comes_after_them() -> None:
    here = preview(["a.", "<end>", " B"], start=0, end=9)
    tokens = (here.tokens[0], TokenPreview(1, "<end>", True, True), here.tokens[2])
    here = type(here)(**{**vars(here), "tokens": tokens})
    html = preview_view(here, 1, neighbour_borders(here, [preview(["x"], number=1, start=8, end=20)]))
    assert re.search(r"&lt;end&gt;</s><i class=\"tp-border\"[^>]*></i><s[^>]*> B", html)


def test_a_source_can_not_break_out() -> None:
    assert "img" not in Reader(preview_view(preview([NASTY], source=NASTY), 1, words=NASTY)).tags
