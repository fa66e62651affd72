"""What is said of a text by its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest

from training_pro.data.text_notes import part_notes
from training_pro.data.text_parts import TextPart

ROWS = '[\n  {"instruction": "Why?", "output": "So."}\n]'


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        (ROWS, "json"),
        (f"```json\n{ROWS}\n```\n", "json"),
        (f"Here they are:\n\n```\n{ROWS[4:-2]}\n```\nMore?\n", "jsonl"),
        (f"# Rows\n\n{'They are read as they come. ' * 9}\n\n```json\n{ROWS}\n```\n", ""),
        ("```json\nThe river is deep.\n```\n", ""),
        ('{\n  "title": "A pond"\n}\n\nThe river is deep.\n', ""),
        ('{\n  "prompt": "A?"\n}\n\n{\n  "prompt": "B?"\n}\n', "jsonl"),
    ],
    ids=["bare", "fenced", "with words around", "an example in a text", "no rows"]
    + ["front matter", "objects with blank lines between"],
)
def test_a_text_that_is_rows_is_named(tmp_path: Path, text: str, ending: str) -> None:
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    notes = part_notes("a.txt", [TextPart(tmp_path / "a.txt", "a.txt")])
    assert [f"Rename it to a.{ending} and" in note for note in notes] == [True] * bool(ending)
