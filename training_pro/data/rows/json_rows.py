"""Rows of a JSON array or of line-delimited JSON, one at a time.

Costs one row and one megabyte of text at a time, whatever the size of the file. Stands between a dataset
file and the rows that `rows.read_rows` hands on.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from training_pro.data.rows.bad_rows import BadRows, RowFault
from training_pro.errors import DataError

CHUNK_BYTES = 1 << 20
MAX_ROW_CHARS = 32 << 20
_BLANK = re.compile(r"[ \t\n\r]*")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RowFault(f'the key "{twice}" appears twice')
    return found


def _constant(name: str) -> NoReturn:
    raise RowFault(f"{name} is not a JSON value")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RowFault(f"the number {text[:40]} is too large")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
_LENIENT = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def parse_row(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value at `start` and where it ends.

    Raises:
        RowFault: valid to a JSON reader, but no row: a key twice, NaN, nested too deeply.
        json.JSONDecodeError: not JSON, or not all of it.
    """
    try:
        return _STRICT.raw_decode(text, start)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise RowFault("it is nested too deeply") from None
    except ValueError:
        raise RowFault("it holds a number with too many digits") from None


def is_array(path: Path) -> bool:
    """Whether the first character that is not white space is a "["."""
    with path.open("rb") as file:
        head = file.read(3)
        if head != codecs.BOM_UTF8:
            file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            stripped = chunk.lstrip()
            if stripped:
                return stripped.startswith(b"[")
    return False


def array_rows(path: Path, bad: BadRows) -> Iterator[tuple[int, Any]]:
    """(row number from 1, value) of a JSON array.

    Raises:
        DataError: the array breaks off or is not JSON; a bad row with "stop".
    """
    with path.open("rb") as file:
        yield from _ArrayReader(file, bad).rows()


class _ArrayReader:
    """A window of text that moves over the file; `position` is where the next value begins in it."""

    def __init__(self, file: BinaryIO, bad: BadRows) -> None:
        self.file, self.bad = file, bad
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text, self.position, self.bytes_read, self.at_end = "", 0, 0, False
        self.number = 1

    def rows(self) -> Iterator[tuple[int, Any]]:
        self._next_char()
        self.position += 1  # the opening bracket, seen by `is_array`
        if self._next_char() == "]":
            return self._finish()
        while True:
            yield from self._value()
            follows = self._next_char()
            if follows not in (",", "]"):
                raise self._broken(f"a comma or ] should follow the row before, not {self._shown(follows)}")
            self.position += 1
            if follows == "]":
                self.position -= 1
                return self._finish()
            if self._next_char() == "]":
                raise self._broken("a comma stands before the closing ]")

    def _finish(self) -> None:
        self.position += 1
        if follows := self._next_char():
            raise self._broken(f"{self._shown(follows)} stands after the closing ]")

    def _value(self) -> Iterator[tuple[int, Any]]:
        while True:
            try:
                value, end = parse_row(self.text, self.position)
            except RowFault as fault:
                self.bad.reject(self.number, str(fault), self._rest())
                self.position = self._end_of_value()
                break
            except json.JSONDecodeError as error:
                self._more_or_raise(error)
                continue
            if end == len(self.text) and not self.at_end:
                self._fill()
                continue
            self.position = end
            yield self.number, value
            break
        self.number += 1

    def _end_of_value(self) -> int:
        """The end of a row that is JSON but no good."""
        while True:
            try:
                return _LENIENT.raw_decode(self.text, self.position)[1]
            except RecursionError:
                raise self._broken("it is nested too deeply") from None
            except json.JSONDecodeError as error:
                self._more_or_raise(error)

    def _more_or_raise(self, error: json.JSONDecodeError) -> None:
        unfinished = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - 8
        if len(self.text) - self.position > MAX_ROW_CHARS:
            raise self._broken(f"it is longer than {MAX_ROW_CHARS:,} characters, or a quotation mark is missing")
        if not unfinished:
            raise self._broken(f"it is not valid JSON ({_reason(error, self.position)})")
        if self.at_end:
            raise self._broken(f"the file ends within it ({_reason(error, self.position)})")
        self._fill()

    def _next_char(self) -> str:
        while True:
            blank = _BLANK.match(self.text, self.position)
            self.position = blank.end() if blank else self.position
            if self.position < len(self.text):
                return self.text[self.position]
            if self.at_end:
                return ""
            self._fill()

    def _fill(self) -> None:
        """Read as much again as the window holds, so that a long row is not parsed again and again."""
        self.text = self.text[self.position :]
        self.position = 0
        chunk = self.file.read(max(CHUNK_BYTES, len(self.text)))
        self.at_end = not chunk
        try:
            self.text += self.decoder.decode(chunk, self.at_end)
        except UnicodeDecodeError as error:
            waiting = len(error.object) - len(chunk)
            where = self.bytes_read - waiting + error.start
            raise self._broken(f"byte {where} of the file is not UTF-8; save the file as UTF-8") from None
        self.bytes_read += len(chunk)

    def _rest(self) -> str:
        return self.text[self.position : self.position + 400]

    def _shown(self, follows: str) -> str:
        return repr(follows) if follows else "the end of the file"

    def _broken(self, reason: str) -> DataError:
        return self.bad.broken(self.number, reason, self._rest())


def _reason(error: json.JSONDecodeError, start: int) -> str:
    return f"{error.msg}, character {max(0, error.pos - start) + 1} of the row"


def line_rows(path: Path, bad: BadRows) -> Iterator[tuple[int, Any]]:
    """(line number from 1, value) of line-delimited JSON; blank lines are passed over.

    Raises:
        DataError: a bad row with "stop".
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_ROW_CHARS + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            last = _past_blanks(file, line)
            if not last.strip():
                continue
            try:
                yield number, _line_value(line)
            except RowFault as fault:
                bad.reject(number, str(fault), last[:400].decode("utf-8", "replace"))
            _skip_rest(file, last)


def _past_blanks(file: BinaryIO, line: bytes) -> bytes:
    """`line`, or where it is white space that goes on, the first piece after it with more in it, or its last piece."""
    while line and not line.endswith(b"\n") and not line.strip():
        line = file.readline(CHUNK_BYTES)
    return line


def _skip_rest(file: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = file.readline(CHUNK_BYTES)


def _line_value(line: bytes) -> Any:
    if len(line) > MAX_ROW_CHARS:
        raise RowFault(f"the line is longer than {MAX_ROW_CHARS:,} bytes")
    try:
        text = line.decode("utf-8").strip()
        value, end = parse_row(text)
    except UnicodeDecodeError as error:
        raise RowFault(f"byte {error.start + 1} of the line is not UTF-8") from None
    except json.JSONDecodeError as error:
        if text == "{":
            raise RowFault("the file is one object over many lines, not a list [...] or one object a line") from None
        raise RowFault(f"the line is not valid JSON ({_reason(error, 0)})") from None
    if end < len(text):
        raise RowFault(f"{text[end:].strip()[:20]!r} stands after the row's end; one row a line")
    return value
