"""A text file, a folder of them, or a dataset's own words, as plain texts: what perplexity is measured on.

Rows are not put through a format or a chat template: a row's text is its ``text``, or all its strings (for a chat
its turns), each on a line of its own. All texts are in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training_pro.data.files import find_dataset, is_text
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.rows import read_rows
from training_pro.data.text_parts import text_parts
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.text.reading import clean_text, read_text

_ROLES = frozenset({"role", "from", "id", "weight"})  # fields that describe the words and are none


@dataclass(frozen=True)
class RawTexts:
    """The texts of one file or folder, each a document of its own; `name` is how tables call it."""

    name: str
    texts: list[str]


def raw_texts(name: str, folders: Folders) -> RawTexts:
    """The texts that `name` (of the datasets folder, or a path) means; white space alone is no text.

    Raises:
        DataError: no such file, not UTF-8, a bad row, or no text in it.
    """
    path = find_dataset(name, folders.datasets)
    shown = path.name
    if is_text(path):
        texts = [read_text(part.path) for part in text_parts(path, shown, folders.converted)]
    else:
        texts = [_row_text(row) for _, row in read_rows(path, BadRows(shown, "stop"))]
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise DataError(f"{shown} holds no text; choose a file with some.")
    return RawTexts(shown, texts)


def _row_text(row: dict[str, Any]) -> str:
    text = row.get("text")
    return clean_text(text if isinstance(text, str) else "\n".join(_strings(row)))


def _strings(value: Any) -> Iterator[str]:
    """Every string in a row, in its order, without roles and the like."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in _ROLES:
                yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)
