"""JSON files whose rows are on one line here and over several there, and rows between the fences of Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rows import json_rows
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.rows import read_rows
from training_pro.errors import DataError

ROWS = [{"instruction": f"Question {number}?", "output": "An answer."} for number in range(6)]
LINES = [json.dumps(row) for row in ROWS]
PRETTY = [json.dumps(row, indent=2) for row in ROWS]
WRAPPED = [line.replace(", ", ",\n") for line in LINES]
MIXED = [*LINES[:2], PRETTY[2], WRAPPED[3], LINES[4], PRETTY[5]]


def read(tmp_path: Path, text: str, bad: BadRows | None = None) -> list[tuple[int, dict[str, Any]]]:
    (tmp_path / "a.json").write_bytes(text.encode())
    return list(read_rows(tmp_path / "a.json", bad or BadRows("a.json", "stop")))


def rows(found: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for _, row in found]


@pytest.mark.parametrize("ends", ["\n", "\r\n", ",\n", "\n\n\n", "\n\ufeff"])
def test_rows_on_one_line_and_over_several_are_read(tmp_path: Path, ends: str):
    found = read(tmp_path, ends.join(MIXED).replace("\n", "\r\n" if "\r" in ends else "\n") + "\n")
    assert rows(found) == ROWS


def test_rows_are_numbered_by_the_lines_that_they_begin_in(tmp_path: Path):
    assert [number for number, _ in read(tmp_path, "\n".join(MIXED))] == [1, 2, 3, 7, 9, 10]


def test_rows_glued_to_the_one_before_are_read(tmp_path: Path):
    assert rows(read(tmp_path, f"{LINES[0]}\n{PRETTY[1]}{PRETTY[2]}\n{LINES[3]}")) == ROWS[:4]


def test_a_first_line_longer_than_what_is_looked_at_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_rows, "CHUNK_BYTES", 1 << 10)
    long = {"instruction": "Why? " * 1000, "output": "So."}
    assert rows(read(tmp_path, "\n".join([json.dumps(long), *PRETTY]))) == [long, *ROWS]


def test_a_row_that_never_ends_takes_no_others_with_it(tmp_path: Path):
    bad = BadRows("a.json", "skip")
    found = read(tmp_path, "\n".join([LINES[0], '{"instruction": "cut', LINES[1], '{"a": [1,', PRETTY[2], "{"]), bad)
    assert rows(found) == ROWS[:3] and bad.count == 3


def test_a_key_twice_in_a_row_over_lines_is_one_bad_row(tmp_path: Path):
    bad = BadRows("a.json", "skip")
    found = read(tmp_path, "\n".join([LINES[0], '{\n"a": 1,\n"a": 2\n}', PRETTY[1], LINES[2]]), bad)
    assert rows(found) == ROWS[:3] and bad.count == 1 and "twice" in bad.examples[0]


def test_bytes_that_are_no_utf8_in_a_row_over_lines_are_one_bad_row(tmp_path: Path):
    bad = BadRows("a.json", "skip")
    text = "\n".join([LINES[0], PRETTY[1], PRETTY[2]]).encode().replace(b"Question 1", b"Qu\xe9stion 1")
    (tmp_path / "a.json").write_bytes(text)
    assert rows(list(read_rows(tmp_path / "a.json", bad))) == [ROWS[0], ROWS[2]] and bad.count == 1
    with pytest.raises(DataError, match="row 2: the file is not UTF-8"):
        list(read_rows(tmp_path / "a.json", BadRows("a.json", "stop")))


@pytest.mark.parametrize("indent", [0, 1])
def test_a_long_row_over_lines_is_not_parsed_at_each_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int):
    tries: list[int] = []
    end_in = json_rows._end_in
    monkeypatch.setattr(json_rows, "_end_in", lambda data: tries.append(len(data)) or end_in(data))
    chat = {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}] * 500}
    assert rows(read(tmp_path, f"{LINES[0]}\n{json.dumps(chat, indent=indent)}\n{LINES[2]}")) == [
        ROWS[0],
        chat,
        ROWS[2],
    ]
    assert len(tries) < 25


def test_a_file_that_is_broken_all_over_is_not_looked_through_again_at_each_line(tmp_path: Path):
    looked_at: list[int] = []

    class Counted(json_rows._Lines):
        def next(self) -> bytes:
            looked_at.append(1)
            return super().next()

    bad = BadRows("a.json", "skip")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_rows, "CHUNK_BYTES", 1 << 10)
        patched.setattr(json_rows, "_Lines", Counted)
        assert rows(read(tmp_path, f"{LINES[0]}\n" + "[\n" * 3000 + LINES[1], bad)) == ROWS[:2]
    assert bad.count == 3000 and len(looked_at) < 50_000


ARRAY = json.dumps(ROWS, indent=1)
FENCED = {
    "array": f"```json\n{ARRAY}\n```\n",
    "mark and carriage returns": f"\ufeff```json\n{ARRAY}\n```\n".replace("\n", "\r\n"),
    "lines": "```jsonl\n" + "\n".join(LINES) + "\n```",
    "tildes": f"~~~\n{ARRAY}\n~~~\n",
    "not closed": f"```json\n{ARRAY}\n",
    "longer fences": f"````json\n{ARRAY}\n````\n",
    "two": "```json\n" + "\n".join(PRETTY[:3]) + "\n```\n\n```json\n" + "\n".join(PRETTY[3:]) + "\n```",
}


@pytest.mark.parametrize("text", FENCED.values(), ids=FENCED)
def test_rows_between_fences_are_read(tmp_path: Path, text: str):
    bad = BadRows("a.json", "stop")
    assert rows(read(tmp_path, text, bad)) == ROWS and not bad.unread


def test_what_stands_around_the_fences_is_said(tmp_path: Path):
    bad = BadRows("a.json", "stop")
    found = read(tmp_path, f"Here are six:\n\n{FENCED['lines']}\n\nShall I go on?\n", bad)
    assert rows(found) == ROWS and found[0][0] == 4
    assert "outside of the fences (```, 2 lines)" in bad.unread_notes()[0]


def test_fences_inside_a_row_are_its_words(tmp_path: Path):
    row = {"instruction": "Show it.", "output": '```json\n{"a": 1}\n```'}
    assert rows(read(tmp_path, json.dumps(row))) == rows(read(tmp_path, json.dumps([row], indent=1))) == [row]
