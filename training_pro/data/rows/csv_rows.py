"""Rows of a CSV or TSV file: the first line names the columns, each further record is a row of text fields.

Blank lines are no records and are not counted; a record whose fields are all empty is a bad row, if others follow.
Commas, semicolons, tabs and vertical bars are understood; quoted fields may hold line ends. Costs one record at a time.
"""

from __future__ import annotations

import csv
import re
import threading
from collections.abc import Iterator
from typing import Any, TextIO

from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.json_rows import MAX_ROW_CHARS
from training_pro.errors import DataError

DELIMITERS = ",;\t|"
_LOOKED_AT_CHARS = 1 << 16
_BACKSLASHED = re.compile(r'[^\\]\\"[^,;\t|\r\n]')
_DOUBLED = re.compile(r'[^,;\t|\r\n\\]""|\\""[^,;\t|\r\n]')  # \"" at a field's end is a marked one, and the end
_SAYS_DELIMITER = re.compile(r'"?sep=(.)"?\s*')
_LIMIT_LOCK = threading.Lock()
_NUMBER_COLUMN = "index"  # how a column without a name is called, in which pandas writes the rows' numbers


def csv_rows(file: TextIO, bad: BadRows, delimiters: str = DELIMITERS) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number from 1, without the header, row) of an open CSV file, whose fields one of `delimiters` separates.

    Raises:
        DataError: no usable header, a quotation mark that is never closed, not UTF-8; a bad row with "stop".
    """
    delimiter, start = _delimiter(file, delimiters)
    reader = csv.reader(file, delimiter=delimiter, strict=True, **_quoting(file.read(_LOOKED_AT_CHARS), delimiter))
    file.seek(start)
    names = _header(reader, bad)
    number = 0
    empty: list[tuple[int, str]] = []
    while True:
        fields = _next_record(reader, number + 1, bad)
        if fields is None:
            return
        if _is_blank_line(fields, names):
            continue
        number += 1
        if len(names) == 1:  # what looks like more fields are commas of its text
            fields = [delimiter.join(fields)]
        if not any(field.strip() for field in fields):
            empty.append((number, delimiter.join(fields)))
            continue
        for place, line in empty:  # at the file's end a spreadsheet has such lines
            bad.reject(place, "all its fields are empty", line)
        empty.clear()
        if len(fields) != len(names):
            reason = f"it has {len(fields)} fields where the header names {len(names)}"
            bad.reject(number, reason, delimiter.join(fields))
        else:
            yield number, dict(zip(names, fields, strict=True))


def _delimiter(file: TextIO, delimiters: str) -> tuple[str, int]:
    """What separates the fields, and where the header begins: after the line "sep=;" that Excel reads."""
    first_line = file.readline(MAX_ROW_CHARS)
    said = _SAYS_DELIMITER.fullmatch(first_line)
    start = file.tell() if said else 0
    file.seek(start)
    return (said[1] if said else max(delimiters, key=first_line.count)), start


def _quoting(text: str, delimiter: str) -> dict[str, Any]:
    """How quotation marks in the file's beginning are meant, where it is not by doubling them: marked with a backslash,
    or, in a table with tabs, as any other character."""
    if delimiter == "\t":
        lines = text.split("\n")[:-1] or [text]
        is_table = len({line.count(delimiter) for line in lines if line.strip()}) == 1
        return {"quoting": csv.QUOTE_NONE} if is_table and any(line.count('"') % 2 for line in lines) else {}
    if _BACKSLASHED.search(text) and not _DOUBLED.search(text):
        return {"escapechar": "\\", "doublequote": False}
    return {}


def _is_blank_line(fields: list[str], names: list[str]) -> bool:
    """Whether a line holds nothing, or white space that can't be the one column's field."""
    return not fields or (len(fields) == 1 < len(names) and fields[0].isspace())


def _header(reader: Any, bad: BadRows) -> list[str]:
    names = [name.strip() for name in _next_record(reader, 0, bad) or []]
    if not any(names):
        raise DataError(f"{bad.file} has no header; its first line must name the columns (text, instruction, ...).")
    if names[0] == "" and _NUMBER_COLUMN not in names:
        names[0] = _NUMBER_COLUMN
    if len(names) > 1 and names[-1] == "":  # each line ends with a comma
        names[-1] = f"column {len(names)}"
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
            bad.broken(number, f"it is not valid CSV near line {reader.line_num} ({error})", "")
            return None
        finally:
            csv.field_size_limit(usual)
