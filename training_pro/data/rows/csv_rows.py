"""Rows of a CSV or TSV file: the first line names the columns, each further record is a row of text fields.

Blank lines are no records and are not counted; a record whose fields are all empty is a bad row. Commas, semicolons and
tabs are understood; quoted fields may hold line ends. Costs one record at a time.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from typing import Any, TextIO

from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.json_rows import MAX_ROW_CHARS
from training_pro.errors import DataError

_DELIMITERS = ",;\t"
_LIMIT_LOCK = threading.Lock()
_NUMBER_COLUMN = "index"  # how a column without a name is called, in which pandas writes the rows' numbers


def csv_rows(file: TextIO, bad: BadRows) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number from 1, without the header, row) of an open CSV file.

    Raises:
        DataError: no usable header, a quotation mark that is never closed, not UTF-8; a bad row with "stop".
    """
    first_line = file.readline(MAX_ROW_CHARS)
    delimiter = max(_DELIMITERS, key=first_line.count)
    file.seek(0)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    names = _header(reader, bad)
    number = 0
    while True:
        fields = _next_record(reader, number + 1, bad)
        if fields is None:
            return
        if _is_blank_line(fields, names):
            continue
        number += 1
        if not any(field.strip() for field in fields):
            bad.reject(number, "all its fields are empty", delimiter.join(fields))
        elif len(fields) != len(names):
            reason = f"it has {len(fields)} fields where the header names {len(names)}"
            bad.reject(number, reason, delimiter.join(fields))
        else:
            yield number, dict(zip(names, fields, strict=True))


def _is_blank_line(fields: list[str], names: list[str]) -> bool:
    """Whether a line holds nothing, or white space that can't be the one column's field."""
    return not fields or (len(fields) == 1 < len(names) and fields[0].isspace())


def _header(reader: Any, bad: BadRows) -> list[str]:
    names = [name.strip() for name in _next_record(reader, 0, bad) or []]
    if not any(names):
        raise DataError(f"{bad.file} has no header; its first line must name the columns (text, instruction, ...).")
    if names[0] == "" and _NUMBER_COLUMN not in names:
        names[0] = _NUMBER_COLUMN
    if "" in names or len(set(names)) < len(names):
        raise DataError(
            f"{bad.file}, row 0 (the header): each column needs a name of its own, not {', '.join(names)[:80]!r}; "
            "correct the first line."
        )
    return names


def _next_record(reader: Any, number: int, bad: BadRows) -> list[str] | None:
    """The next record, or None at the end. Fields may be long; the limit is a global of the csv module."""
    with _LIMIT_LOCK:
        usual = csv.field_size_limit(MAX_ROW_CHARS)
        try:
            return next(reader, None)
        except csv.Error as error:
            raise bad.broken(number, f"it is not valid CSV near line {reader.line_num} ({error})", "") from None
        finally:
            csv.field_size_limit(usual)
