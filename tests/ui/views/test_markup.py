from __future__ import annotations

import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.made import NASTY
from training_pro.ui.views.markup import box, facts, megabytes, number, table


class Reader(HTMLParser):
    """What a browser would make of it: the tags, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@given(st.text())
def test_no_text_becomes_markup(outside: str) -> None:
    for html in (box("error", [outside]), facts([(outside, outside)]), table([outside], [[outside]])):
        assert not set(Reader(html).tags) - {"div", "p", "dl", "dt", "dd", "table", "tr", "th", "td"}


def test_a_box_has_a_paragraph_for_each_sentence() -> None:
    read = Reader(box("warning", ["One.\nTwo.", NASTY]))
    assert read.tags == ["div", "p", "p", "p"]
    assert read.words == f"One.Two.{NASTY}"


def test_nothing_to_say_takes_no_room() -> None:
    assert box("info", []) == box("info", "") == box("error", "  \n") == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.23456, "1.235"),
        (0.0, "0.000"),
        (3e-4, "3.0e-04"),
        (12345.6, "12,346"),
        (math.nan, "–"),
        (None, "–"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_numbers_as_people_read_them(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_memory_in_the_unit_that_fits() -> None:
    assert [megabytes(850.4), megabytes(5427.2), megabytes(math.nan)] == ["850 MB", "5.3 GB", "–"]
