"""A setting that names several files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.data.chosen_files import ChosenFile, chosen_files, written_files
from training_pro.errors import DataError


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("", []),
        ("a.txt", [("a.txt", 1)]),
        ("a b, c.txt", [("a b, c.txt", 1)]),
        ("a.txt x2; b.txt 50%;", [("a.txt", 2), ("b.txt", 0.5)]),
        ("a.txt X 2.5\n b/ 12.5 %", [("a.txt", 2.5), ("b/", 0.125)]),
        ('"odd; name x2.txt" x3 ; c.txt', [("odd; name x2.txt", 3), ("c.txt", 1)]),
        ("max2.txt; 100%.txt", [("max2.txt", 1), ("100%.txt", 1)]),
    ],
)
def test_what_is_typed(text: str, files: list[tuple[str, float]]) -> None:
    assert [(chosen.name, chosen.share) for chosen in chosen_files(text)] == files


def test_a_file_with_such_a_name_is_that_file(tmp_path: Path) -> None:
    for name in ("a; b.txt", "part x2"):
        (tmp_path / name).touch()
    assert chosen_files("a; b.txt", tmp_path) == [ChosenFile("a; b.txt")]
    assert chosen_files("part x2; c.txt", tmp_path) == [ChosenFile("part x2"), ChosenFile("c.txt")]


@pytest.mark.parametrize("text", ["a.txt; a.txt", "a.txt x0", "a.txt 0%", "a.txt x1000", 'a "b', "; ;x"])
def test_a_fault_is_one_sentence(text: str) -> None:
    with pytest.raises(DataError):
        chosen_files(text)


NAMES = st.text(
    st.characters(blacklist_characters='"\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029', blacklist_categories=("Cs", "Cc")),
    min_size=1,
)


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from([1.0, 2.0, 0.5, 3.5])), min_size=1, max_size=4, unique_by=lambda one: one[0]
    )
)
def test_what_is_written_is_read_again(files: list[tuple[str, float]]) -> None:
    chosen = [ChosenFile(name, share) for name, share in files if name.strip()]
    assert chosen_files(written_files(chosen)) == chosen
