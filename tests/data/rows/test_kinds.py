from pathlib import Path

import pytest

from tests.data.row_files import chat
from training_pro.data.rows.kinds import detect_kind, kind_of_row
from training_pro.errors import DataError


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (chat("a", "b"), "messages"),
        ({"conversations": [{"from": "human", "value": "a"}]}, "sharegpt"),
        ({"conversations": [{"role": "user", "content": "a"}]}, "messages"),
        ({"conversation": [{"from": "human", "value": "a"}], "id": "7"}, "sharegpt"),
        ({"messages": '[{"role": "user", "content": "a"}]'}, "messages"),
        ({"text": "a"}, "text rows"),
        ({"text": "a", "url": "b"}, "text rows"),
        ({"text": "a", "output": "b"}, "alpaca"),
        ({"instruction": "a", "input": "", "output": "b"}, "alpaca"),
        ({"question": "a", "answer": "b"}, "alpaca"),
        ({"n": 1}, None),
        ({}, None),
        ({"messages": []}, None),
        ({"messages": ["a"]}, None),
    ],
)
def test_a_row_tells_its_kind(row: dict[str, object], kind: str | None):
    assert kind_of_row(row) == kind


def test_the_kind_of_most_rows_counts(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"instruction": "a", "output": "b"}\n{"instruction": "a", "output": "b"}\n')
    assert detect_kind(path, "a.jsonl") == "alpaca"


def test_unknown_fields_are_named(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('[{"foo": 1}]')
    with pytest.raises(DataError, match=r"a\.json, row 1.*foo"):
        detect_kind(path, "a.json")
