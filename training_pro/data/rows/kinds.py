"""What a dataset's rows are: instructions, ShareGPT, OpenAI messages, or texts. Costs the file's first rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from training_pro.data.rows.bad_rows import BadRows, RowFault, Unwanted
from training_pro.data.rows.chats import chat_field, chat_of, listed
from training_pro.data.rows.fields import (
    NO_COLUMNS,
    USUAL,
    Columns,
    exchange_fields,
    field_named,
    folded,
    samples_of,
    text_field,
)
from training_pro.data.rows.rows import TEXT_TABLES, read_rows
from training_pro.errors import DataError

LOOKED_AT_ROWS = 50
_ASKS = ("question", "prompt", "instruction", "title")
_ANSWERS = ("answer", "response", "reply", "completion", "output", "solution", "code")
_BESIDE_TEXT = {
    "id",
    "url",
    "source",
    "meta",
    "metadata",
    "lang",
    "language",
    "date",
    "timestamp",
    "title",
    "token_count",
    "path",
    "repo_name",
    "license",
    "artist",
    "author",
    "poet",
    "song",
    "attachments",
}


def kind_of_row(row: Mapping[str, Any], columns: Columns = NO_COLUMNS) -> str | None:
    """ "messages", "sharegpt", "text rows", "alpaca" (a prompt with its answer), or None if it looks like none."""
    if columns.names_fields:
        return "text rows" if columns["text"] and text_field(row, columns) else _exchange_kind(row, columns)
    name = chat_field(row)
    if name is not None:
        return _chat_kind(row, name)
    if _exchange_kind(row, columns):
        return "alpaca" if _has_texts(row, columns) else _other_chat_kind(row)
    if field_named(row, ("text",)) or _is_text_alone(row):
        return "text rows"
    return _other_chat_kind(row)


def _exchange_kind(row: Mapping[str, Any], columns: Columns) -> str | None:
    fields = exchange_fields(row, columns)
    return "alpaca" if "answer" in fields and ("prompt" in fields or "input" in fields) else None


def _has_texts(row: Mapping[str, Any], columns: Columns) -> bool:
    fields = exchange_fields(row, columns)
    names = (name for role in ("prompt", "answer") for name in fields.get(role, ()))
    return all(not isinstance(row[name], list | Mapping) or folded(name) == "answers" for name in names)


def _chat_kind(row: Mapping[str, Any], name: str) -> str | None:
    try:
        first = listed(name, row[name])[0]
    except RowFault:
        return _other_chat_kind(row)
    if not isinstance(first, Mapping):
        return None
    return "sharegpt" if {"from", "value"} & {folded(field) for field in first} else "messages"


def _other_chat_kind(row: Mapping[str, Any]) -> str | None:
    """The kind of exports, of prompts with completions, and of texts with roles in them: what becomes a chat is one."""
    try:
        chat_of(row)
    except Unwanted:
        return "messages"
    except RowFault:
        return None
    return "messages"


def _is_text_alone(row: Mapping[str, Any]) -> bool:
    """Whether its only text, ids and the like apart, has a usual name for a text."""
    texts = [name for name, value in row.items() if isinstance(value, str) and folded(name) not in _BESIDE_TEXT]
    return len(texts) == 1 and "title" not in {folded(name) for name in row} and bool(text_field(row, NO_COLUMNS))


def detect_kind(
    path: Path,
    name: str,
    columns: Columns = NO_COLUMNS,
    fits_format: Callable[[Mapping[str, Any]], bool] | None = None,
) -> str:
    """The kind that most of a file's first rows have; `name` is how messages call it.

    `fits_format`: whether a row has the very fields of the chosen format, which makes it "alpaca".

    Raises:
        DataError: not a dataset file, or no row looks like any kind; the sentence lists the columns with a sample each.
    """
    seen: Counter[str] = Counter()
    first: Mapping[str, Any] | None = None
    for _, row in islice(read_rows(path, BadRows(name, "skip"), columns.names_fields), LOOKED_AT_ROWS):
        first = row if first is None else first
        fits = fits_format is not None and fits_format(row)
        kind = "alpaca" if fits else kind_of_row(row, columns)
        seen.update([kind] if kind is not None else [])
    if seen:
        return seen.most_common(1)[0][0]
    if first is None:
        return "text rows"  # no usable row: reading them says which one is bad, and why
    raise _unknown_columns(first, name, columns)


def _unknown_columns(row: Mapping[str, Any], name: str, columns: Columns) -> DataError:
    """What the row's columns are, and how to say what they mean; a known thing that can't be trained is named."""
    if not columns:
        try:
            chat_of(row)
        except RowFault as fault:
            if "columns" not in str(fault):
                return DataError(f"{name}, row 1: {fault}.")
            if "assistant=NAME" in str(fault):
                return DataError(f"{name}, row 1: {fault}.", option='--set columns="assistant=NAME"', setting="columns")
    guess = _guess(row)
    is_table = Path(name.lower().removesuffix(".gz")).suffix in TEXT_TABLES
    headless = " If the file's first line is a row, put a line with the columns' names above it." if is_table else ""
    return DataError(
        f"{name}, row 1: the columns are not recognized: {samples_of(row) or 'none'}. Say under Columns which one is "
        f'the prompt, the answer, the system text or the text, for example "{guess}".{headless}',
        option=f'--set columns="{guess}"',
        setting="columns",
    )


def _guess(row: Mapping[str, Any]) -> str:
    """An example with the row's own columns: the last text is the answer, or the longest one the text."""
    texts = [name for name, value in row.items() if isinstance(value, str) and value.strip()]
    lists = [name for name, value in row.items() if isinstance(value, list) and value and isinstance(value[0], str)]
    asked = [name for name in texts if _sounds_like(name, "prompt", _ASKS)]
    said = [name for name in (*texts, *row) if _sounds_like(name, "answer", _ANSWERS) and name not in asked]
    if asked and said:
        return f"prompt={asked[0]},answer={said[0]}"[:120]
    if len(texts) == 2 and not lists and not text_field(row, NO_COLUMNS):
        return f"prompt={texts[0]},answer={texts[1]}"[:120]
    longest = max((*texts, *lists), key=lambda name: sum(map(str.isalpha, str(row[name]))), default="COLUMN")
    return f"text={longest}"[:120]


def _sounds_like(name: str, role: str, words: tuple[str, ...]) -> bool:
    return folded(name) in USUAL[role] or any(word in folded(name) for word in words)
