"""The columns of a dataset file as a person chooses what they are: each with a sample and what it is by its name.

Reads the file's first rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.fields import NO_COLUMNS, SAMPLE_CHARS, exchange_fields, filled, text_field
from training_pro.data.rows.rows import read_rows

LOOKED_AT_ROWS = 20


@dataclass(frozen=True)
class Column:
    """`role` is a role of `fields.ROLES` that the name stands for, "" where it stands for none."""

    name: str
    sample: str
    role: str


def columns_of(path: Path, name: str) -> list[Column]:
    """The columns of the first rows of a file, in order; `name` is how messages call the file.

    Raises:
        DataError: it is no file of rows, or can't be read.
    """
    seen: dict[str, Any] = {}
    for _, row in islice(read_rows(path, BadRows(name, "skip"), apart=True), LOOKED_AT_ROWS):
        for column, value in row.items():
            if column not in seen or not filled(seen[column]):
                seen[column] = value
    roles = _roles(seen)
    return [
        Column(name, " ".join(str(value).split())[:SAMPLE_CHARS], roles.get(name, "")) for name, value in seen.items()
    ]


def _roles(row: Mapping[str, Any]) -> dict[str, str]:
    meant = exchange_fields(row, NO_COLUMNS)
    if "prompt" in meant and "answer" in meant:
        return {name: role for role, names in meant.items() for name in names}
    return dict.fromkeys(text_field(row, NO_COLUMNS), "text")
