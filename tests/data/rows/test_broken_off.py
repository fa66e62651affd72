"""JSON that breaks off: how many rows were whole is said, and these can be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rows import json_rows
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.rows import read_rows
from training_pro.errors import DataError

ROWS = [{"instruction": f"Question number {number}?", "output": "An answer."} for number in range(20)]
WHOLE = {
    "array": json.dumps(ROWS),
    "array over lines": json.dumps(ROWS, indent=2),
    "object with a list": json.dumps({"data": ROWS}),
    "object over lines": json.dumps({"train": ROWS}, indent=1),
    "objects one after the other": "\n".join(json.dumps(row, indent=1) for row in ROWS),
}


def read(tmp_path: Path, text: str, bad: BadRows) -> list[dict[str, Any]]:
    (tmp_path / "file.json").write_text(text, encoding="utf-8")
    return [row for _, row in read_rows(tmp_path / "file.json", bad)]


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_rows_before_the_break_are_counted_and_used_where_bad_rows_are_skipped(tmp_path: Path, text: str):
    assert read(tmp_path, text, BadRows("file.json", "stop")) == ROWS
    cut = text[: text.index("number 15")]
    with pytest.raises(
        DataError, match="row 16: the file ends within it .* the 15 rows before it can be used"
    ) as caught:
        read(tmp_path, cut, BadRows("file.json", "stop"))
    assert caught.value.setting == "bad_rows"
    bad = BadRows("file.json", "skip")
    assert read(tmp_path, cut, bad) == ROWS[:15]
    assert bad.count == 1 and "15 rows before" in bad.examples[0]


def test_a_fault_in_the_middle_is_no_different(tmp_path: Path):
    text = WHOLE["array"].replace('"Question number 7?"', '"Question number 7?')
    bad = BadRows("file.json", "skip")
    assert read(tmp_path, text, bad) == ROWS[:7] and "row 8" in bad.examples[0]


def test_a_chat_that_breaks_off_is_not_read_by_its_turns(tmp_path: Path):
    turns = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]
    with pytest.raises(DataError, match="row 1"):
        read(tmp_path, json.dumps({"messages": turns}, indent=1)[:-20], BadRows("file.json", "skip"))


def long_line(number: int) -> str:
    items = [{"instruction": f"Question {number}, {item}?", "output": "An answer. " * 9} for item in range(40)]
    return json.dumps({"data": items, "id": number})


@pytest.mark.parametrize("bad_line", ['{"data": [{"instruction": "What', "{'data': [", "no JSON"])
@pytest.mark.parametrize("end", ["\n", "\r\n\r\n"])
def test_lines_longer_than_a_chunk_are_read_by_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad_line: str, end: str
):
    for chunk in (1000, len(long_line(1)) + len(end)):
        monkeypatch.setattr(json_rows, "CHUNK_BYTES", chunk)
        bad = BadRows("file.json", "skip")
        rows = read(tmp_path, end.join([long_line(1), bad_line, long_line(3)]), bad)
        assert [row["id"] for row in rows] == [1, 3] and bad.count == 1


def test_an_object_whose_first_line_is_longer_than_a_chunk_is_read_by_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(json_rows, "CHUNK_BYTES", 100)
    for between in (",\n", "\n,"):
        whole = '{"data": [' + between.join(json.dumps(row | {"more": "x" * 200}) for row in ROWS) + "\n]}"
        cut = whole[: whole.index("number 15")]
        assert len(read(tmp_path, whole, BadRows("file.json", "stop"))) == 20
        assert len(read(tmp_path, cut, BadRows("file.json", "skip"))) == 15
