"""A user's own list of abbreviations, and our lists' own order."""

from __future__ import annotations

from pathlib import Path

import pytest

from training_pro.errors import DataError
from training_pro.text.splitting import abbreviations
from training_pro.text.splitting.abbreviations import KINDS, MOST_WORD_CHARS, STARTERS, read_abbreviations


def test_no_file_is_an_empty_list(tmp_path: Path) -> None:
    assert read_abbreviations(tmp_path / "abbreviations.txt") == frozenset()


def test_one_word_a_line_with_or_without_its_stop(tmp_path: Path) -> None:
    path = tmp_path / "abbreviations.txt"
    path.write_bytes("\ufeffObst.\r\n\n# a comment\nu.A.w.g.  # among others\nßtr\n.\n".encode())
    assert read_abbreviations(path) == {"obst", "u.a.w.g", "sstr"}


def test_two_words_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "abbreviations.txt"
    path.write_text("obst.\nz. B.\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"Line 2 of .*abbreviations\.txt is 'z\. B\.': write one abbreviation a line"):
        read_abbreviations(path)


def test_an_endless_line_is_no_abbreviation(tmp_path: Path) -> None:
    path = tmp_path / "abbreviations.txt"
    path.write_text("x" * MOST_WORD_CHARS + "\n" + "y" * (MOST_WORD_CHARS + 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"Line 2 of .* is 33 characters long \('y{20}'\.\.\.\): write one"):
        read_abbreviations(path)


def test_a_book_in_its_place_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "abbreviations.txt"
    path.write_bytes(b"obst\n\xff")
    monkeypatch.setattr(abbreviations, "MOST_LIST_BYTES", 5)
    with pytest.raises(DataError, match="is longer than 5 bytes: put one abbreviation a line"):
        read_abbreviations(path)


def test_another_encoding_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "abbreviations.txt"
    path.write_bytes(b"obst.\ngr\xf6\xdfe.\n")
    with pytest.raises(DataError, match=r"not UTF-8 \(byte offset 8\): save it as UTF-8"):
        read_abbreviations(path)


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "abbreviations.txt").mkdir()
    with pytest.raises(DataError, match="can't be read"):
        read_abbreviations(tmp_path / "abbreviations.txt")


def test_lists_are_kept_as_they_are_looked_up() -> None:
    for word in [*KINDS, *STARTERS]:
        assert word == word.casefold() and not word.endswith(".") and not word.isspace()
