"""A dataset file to rows: JSON of any shape, CSV, TSV, Parquet, Arrow or a saved folder, always streamed.

The first of all for a row: file -> rows -> messages -> text with trained spans -> token ids with loss mask.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from training_pro.data.encodings import LOOKED_AT_BYTES, Guess, guessed, not_utf8
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.csv_rows import DELIMITERS, csv_rows
from training_pro.data.rows.json_rows import json_rows
from training_pro.data.rows.message_rows import joined_logs
from training_pro.data.rows.table_rows import TABLES, is_row_folder, table_rows
from training_pro.data.rows.tidy import tidied
from training_pro.errors import DataError
from training_pro.text.reading import is_shifted

Row = dict[str, Any]
TEXT_TABLES = (".csv", ".tsv")
ROW_TYPES = (".json", ".jsonl", ".ndjson", *TEXT_TABLES, *TABLES)
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive (it should end in .gz)",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
}


def row_type(path: Path) -> str:
    """What kind of row file the name says it is (".jsonl" for "a.JSONL.gz"); "" for none."""
    name = path.name.lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    packed = name.endswith(".gz")
    return suffix if suffix in ROW_TYPES and not (packed and suffix in TABLES) else ""


def read_rows(path: Path, bad: BadRows, apart: bool = False) -> Iterator[tuple[int, Row]]:
    """(row number from 1, row) for each row of `path`; a line-delimited file is numbered by its lines.

    `apart`: rows that are messages of one chat stay rows with their own fields, since their columns were chosen.

    Raises:
        DataError: the file can't be read, has no rows, or breaks off; a bad row when `bad.way` is "stop".
    """
    found = False
    try:
        for number, row in _values(path, bad, apart):
            found = True
            if isinstance(row, dict):
                yield number, tidied(row, apart)
            elif _is_turns(row) or _is_pairs(row):
                yield number, {"messages": row}
            elif isinstance(row, str) and row.strip():
                yield number, {"text": row}
            elif isinstance(row, list) and len(row) == 2 and all(isinstance(text, str) for text in row):
                yield number, {"prompt": row[0], "response": row[1]}
            else:
                bad.reject(number, f"it is {_type_name(row)}, not an object with fields", row)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{bad.file} is not a whole .gz file ({error}). Pack or download it again.") from None
    except OSError as error:
        raise DataError(f"{bad.file} can't be read ({error.strerror or error}). Check the file.") from None
    except UnicodeDecodeError:
        offset, number = _first_bad_byte(path)
        raise not_utf8(bad.file, offset, _guess(path, offset), number) from None
    if not found and not bad.count:
        raise DataError(f"{bad.file} has no rows. Choose a file with data.")


def _is_turns(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and all(isinstance(turn, dict) for turn in row)


def _is_pairs(row: Any) -> bool:
    """Whether it is a list of questions, each with its answer."""
    return isinstance(row, list) and bool(row) and all(isinstance(pair, list) and len(pair) == 2 for pair in row)


def _values(path: Path, bad: BadRows, apart: bool) -> Iterator[tuple[int, Any]]:
    kind = row_type(path)
    if kind in TABLES or is_row_folder(path):
        yield from table_rows(path, bad)
        return
    if not kind:
        raise DataError(
            f"{bad.file} is not a dataset file. Its name must end in one of: {', '.join(ROW_TYPES)} (or these "
            "with .gz)."
        )
    with _opened(path) as file:
        _check_start(path, file, bad)
        if kind in TEXT_TABLES:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            rows = csv_rows(text, bad, "\t" if kind == ".tsv" else DELIMITERS)
            yield from rows if apart else joined_logs(rows)
        else:
            yield from json_rows(file, bad, apart)


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if path.name.lower().endswith(".gz") else path.open("rb")


def _guess(path: Path, offset: int) -> Guess | None:
    """What the encoding of the text around `offset` looks like."""
    with _opened(path) as file:
        file.seek(max(0, offset - LOOKED_AT_BYTES // 2))
        return guessed(file.read(LOOKED_AT_BYTES))


def _check_start(path: Path, file: BinaryIO, bad: BadRows) -> None:
    head = file.read(LOOKED_AT_BYTES)
    file.seek(0)
    for signature, what in _SIGNATURES.items():
        if head.startswith(signature):
            raise DataError(f"{bad.file}, row 1: the file is {what}. Unpack it or save it as UTF-8 text.")
    if b"\0" in head[:4] or head[:2] in (b"\xff\xfe", b"\xfe\xff") or is_shifted(head):
        raise not_utf8(bad.file, 0, _guess(path, 0), 1)


def _first_bad_byte(path: Path) -> tuple[int, int]:
    """Offset of the first byte that is not UTF-8, and the row it is in (the header is 0)."""
    offset = line_number = 0
    with _opened(path) as file:
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
