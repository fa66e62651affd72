"""What a dataset's rows are: Alpaca-style instructions, ShareGPT, OpenAI messages, or texts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from training_pro.data.rendering.conversations import chat_field, turns_of
from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.data.rows.rows import read_rows
from training_pro.errors import DataError

LOOKED_AT_ROWS = 50
_ANSWERS = {"output", "response", "answer", "completion", "chosen", "target"}


def kind_of_row(row: Mapping[str, Any]) -> str | None:
    """ "messages", "sharegpt", "text rows", "alpaca", or None if it looks like none of them."""
    if chat_field(row) is not None:
        return _chat_kind(row)
    texts = {name for name, value in row.items() if isinstance(value, str)}
    if "text" in texts and not texts & _ANSWERS:
        return "text rows"
    return "alpaca" if len(texts) > 1 or texts & _ANSWERS else None


def _chat_kind(row: Mapping[str, Any]) -> str | None:
    try:
        first = turns_of(row)[0]
    except RowFault:
        return None
    if not isinstance(first, Mapping):
        return None
    return "sharegpt" if "from" in first or "value" in first else "messages"


def detect_kind(path: Path, name: str) -> str:
    """The kind most of the first rows have; `name` is how messages call the file.

    Raises:
        DataError: not a dataset file, or no row looks like any kind.
    """
    if path.suffix.lower() == ".txt" or path.is_dir():
        return "text"
    seen: dict[str, int] = {}
    first: dict[str, Any] | None = None
    for _, row in islice(read_rows(path, BadRows(name, "skip")), LOOKED_AT_ROWS):
        first = row if first is None else first
        kind = kind_of_row(row)
        if kind is not None:
            seen[kind] = seen.get(kind, 0) + 1
    if not seen:
        return _default_or_refuse(name, first)
    return max(seen, key=lambda kind: seen[kind])


def _default_or_refuse(name: str, first: dict[str, Any] | None) -> str:
    if first is None:
        return "text rows"  # no usable row: reading them says which one is bad, and why
    fields = ", ".join(map(str, first))[:120] or "no fields"
    raise DataError(
        f"{name}, row 1: the kind of its rows can't be told from the fields {fields}; "
        'they should be "messages", "conversations", "text", or "instruction" and "output" '
        '(or choose the kind under "Kind of dataset").'
    )
