"""A dataset file to rows: JSON array, line-delimited JSON, CSV or Parquet, always streamed.

The first step of a row's way: file -> rows -> conversation or instruction -> text with trained spans ->
token ids and loss mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.csv_rows import csv_rows
from training_pro.data.rows.json_rows import array_rows, is_array, line_rows
from training_pro.data.rows.parquet_rows import parquet_rows
from training_pro.errors import DataError

Row = dict[str, Any]
ROW_TYPES = (".json", ".jsonl", ".ndjson", ".csv", ".parquet")
_SIGNATURES = {
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
}


def read_rows(path: Path, bad: BadRows) -> Iterator[tuple[int, Row]]:
    """(row number from 1, row) for each row of `path`; a line-delimited file is numbered by its lines.

    Raises:
        DataError: the file can't be read, has no rows, or breaks off; a bad row when `bad.way` is "stop".
    """
    found = False
    try:
        for number, row in _values(path, bad):
            found = True
            if isinstance(row, dict):
                yield number, row
            else:
                bad.reject(number, f"it is {_type_name(row)}, not an object with fields", row)
    except OSError as error:
        raise DataError(f"{bad.file} can't be read ({error.strerror or error}); check the file.") from None
    except UnicodeDecodeError:
        offset, number = _first_bad_byte(path)
        raise DataError(
            f"{bad.file}, row {number}: byte {offset} of the file is not UTF-8; save the file as UTF-8."
        ) from None
    if not found and not bad.count:
        raise DataError(f"{bad.file} has no rows; choose a file with data.")


def _values(path: Path, bad: BadRows) -> Iterator[tuple[int, Any]]:
    suffix = path.suffix.lower()
    if suffix not in ROW_TYPES:
        raise DataError(f"{bad.file} is no dataset file; it must end in one of: {', '.join(ROW_TYPES)}.")
    _check_start(path, bad)
    if suffix == ".parquet":
        return parquet_rows(path, bad)
    if suffix == ".csv":
        return csv_rows(path, bad)
    return array_rows(path, bad) if is_array(path) else line_rows(path, bad)


def _check_start(path: Path, bad: BadRows) -> None:
    with path.open("rb") as file:
        head = file.read(4)
    for signature, what in _SIGNATURES.items():
        if head.startswith(signature):
            raise DataError(f"{bad.file}, row 1: the file is {what}; unpack it or save it as UTF-8 text.")
    if b"\0" in head:
        raise DataError(f"{bad.file}, row 1: the file is UTF-16 or no text at all; save it as UTF-8 text.")


def _first_bad_byte(path: Path) -> tuple[int, int]:
    """Offset of the first byte that is not UTF-8, and the row it is in (the header is 0)."""
    offset = line_number = 0
    with path.open("rb") as file:
        for line in file:
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return offset + error.start, line_number
            offset += len(line)
            line_number += 1
    return offset, line_number


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")
