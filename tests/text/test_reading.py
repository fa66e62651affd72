from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.errors import DataError
from training_pro.text import reading
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.reading import clean_text, cleaned_pieces, read_text, text_files


def test_a_folder_lists_its_texts_in_natural_order(tmp_path: Path) -> None:
    for name in ("part 10.txt", "part 2.txt", "Part 1.TXT", "notes.md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.txt").mkdir()
    assert [file.name for file in text_files(tmp_path)] == ["Part 1.TXT", "part 2.txt", "part 10.txt"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_no_text_full_of_nuls(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "book.txt"
    file.write_bytes("Once upon a time there was a lamp.".encode(encoding))
    with pytest.raises(DataError, match="is UTF-16"):
        read_text(file)
    file.write_text("\0 a lamp\0 and more of it")
    assert read_text(file) == "\0 a lamp\0 and more of it"


def test_a_file_is_itself_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / "book"
    file.write_text("x")
    assert text_files(file) == [file]


@pytest.mark.parametrize("name", ["", "missing.txt"])
def test_no_text_is_said_with_the_way_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="choose"):
        text_files(tmp_path / name)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"\xef\xbb\xbfone\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        (b"\r\r\n\n\r", "\n\n\n\n"),
        (b"a\xef\xbb\xbfb", "a\ufeffb"),
        ("\x00\u2028 \u0085caf\u00e9".encode(), "\x00\u2028 \u0085caf\u00e9"),
        (b"", ""),
    ],
)
def test_line_ends_and_the_byte_order_mark_are_cleaned_and_nothing_else(tmp_path: Path, raw: bytes, clean: str) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes(raw)
    assert read_text(file) == clean == clean_text(raw.decode())
    corpus = Corpus.of_files([file])
    assert corpus.text(0, corpus.size_bytes) == clean


@pytest.mark.parametrize(("raw", "offset"), [(b"ok \xff", 3), (b"caf\xc3\xa9 caf\xe9!", 9), (b"cut \xe2\x82", 4)])
def test_other_encodings_are_refused_with_file_and_offset(tmp_path: Path, raw: bytes, offset: int) -> None:
    file = tmp_path / "latin.txt"
    file.write_bytes(raw)
    for read in (read_text, lambda path: Corpus.of_files([path])):
        with pytest.raises(DataError, match=rf"latin\.txt is not UTF-8: byte {offset} is .*save it"):
            read(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for read in (read_text, lambda path: Corpus.of_files([path])):
        with pytest.raises(DataError, match="gone"):
            read(tmp_path / "gone.txt")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 7))
def test_pieces_of_a_file_join_to_its_clean_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, size: int
) -> None:
    file = tmp_path_factory.mktemp("corpus") / "text.txt"
    file.write_bytes((text + "\r\n\r" + text).encode())
    with patch.object(reading, "_READ_BYTES", max(size, 3)):
        assert b"".join(cleaned_pieces(file)).decode() == clean_text(text + "\r\n\r" + text)
