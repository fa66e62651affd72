from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.raw_texts import raw_texts
from training_pro.errors import DataError
from training_pro.folders import Folders


def rows(folders: Folders, *values: Any) -> str:
    path = folders.datasets / "rows.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path.name


def test_a_text_file_is_one_text_cleaned(folders: Folders) -> None:
    (folders.datasets / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n\n\nthree")
    assert raw_texts("a.txt", folders).texts == ["one\ntwo\n\n\nthree"]


def test_each_file_of_a_folder_is_a_text_in_natural_order(folders: Folders) -> None:
    book = folders.datasets / "book"
    book.mkdir()
    for name, text in (
        ("part 10.txt", "ten"),
        ("part 2.txt", "two"),
        ("empty.txt", " \n"),
        ("part 3.md", "three"),
        ("no.json", "[]"),
    ):
        (book / name).write_text(text)
    found = raw_texts("book", folders)
    assert (found.name, found.texts) == ("book", ["two", "three", "ten"])


def test_a_path_of_its_own_is_called_by_its_name(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "far.txt").write_text("words")
    assert raw_texts(str(tmp_path / "far.txt"), folders).name == "far.txt"


def test_text_rows_are_texts(folders: Folders) -> None:
    name = rows(folders, {"text": "one", "source": "web"}, {"text": "two\r\n"}, {"text": " "})
    assert raw_texts(name, folders).texts == ["one", "two\n"]


def test_of_other_rows_every_string_counts_but_roles(folders: Folders) -> None:
    chat = {"id": "x1", "conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Good day"}]}
    messages = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}
    name = rows(folders, {"instruction": "Say it", "input": "", "output": "It"}, chat, messages)
    assert raw_texts(name, folders).texts == ["Say it\n\nIt", "Hello\nGood day", "Why?\nSo."]


def test_what_holds_no_text_or_is_not_there_is_refused(folders: Folders) -> None:
    (folders.datasets / "empty.txt").write_text("\n\n")
    with pytest.raises(DataError, match="empty.txt holds no text"):
        raw_texts("empty.txt", folders)
    with pytest.raises(DataError, match="There is no text or dataset"):
        raw_texts("gone.txt", folders)
    with pytest.raises(DataError, match="datasets folder"):
        raw_texts("../x.txt", folders)
    with pytest.raises(DataError, match="not UTF-8"):
        (folders.datasets / "latin.txt").write_bytes(b"caf\xe9")
        raw_texts("latin.txt", folders)
    with pytest.raises(DataError, match="row 2"):
        raw_texts(rows(folders, {"text": "a"}, 5), folders)
