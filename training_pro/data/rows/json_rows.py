"""Rows of a JSON array, of line-delimited JSON, of objects one after the other, or of one object that holds them.

Costs one row and one megabyte of text at a time, whatever the size of the file; a file that is a single object, or a
page of Markdown with its rows between fences, is in memory whole. Stands between a dataset file and the rows that
`rows.read_rows` hands on.
"""

from __future__ import annotations

import ast
import codecs
import io
import json
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from training_pro.data.encodings import guessed, not_utf8
from training_pro.data.rows.bad_rows import BadRows, RowFault, beginning
from training_pro.data.rows.message_rows import joined_logs
from training_pro.data.rows.whole_objects import rows_of_object
from training_pro.errors import DataError
from training_pro.words import counted

CHUNK_BYTES = 1 << 20
MAX_ROW_CHARS = 32 << 20
_CLOSINGS_TRIED = 8  # without indentation, every object within a value ends at a line's beginning
_STARTS = ("{", "[", '"')
_BEFORE_ROWS = " \t\r\x1e,"
_LOOKED_AT_LINES = 20
_OTHER_FILES = {
    "<": ("a web page and no data", "Download the file itself"),
    "version https://git-lfs": ("only a pointer of Git LFS to the data", "Download the file itself"),
    "entry not found": ("an error message of a website", "Download the file again"),
    "invalid username": ("an error message of a website", "Download the file again"),
}
_NO_JSON = ("no JSON", "Rows begin with { or [. Rename running text to end in .txt, a table to end in .csv")
_LIST_IN_OBJECT = re.compile(r'\{\s*"(?:data|rows|train|examples|items|dataset|samples)"\s*:\s*\[')
_BLANK = re.compile("[ \t\n\r\ufeff]*")  # a byte order mark stands where files were joined
_AROUND_ROWS = " \t\r\n\x1e\0\ufeff"
_FENCES = ("```", "~~~")
Numbered = Iterator[tuple[int, Any]]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RowFault(f'the key "{twice}" appears twice')
    return found


def _constant(name: str) -> None:
    """NaN is how pandas writes a value that is missing."""
    if name != "NaN":
        raise RowFault(f"{name} is not a JSON value")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RowFault(f"the number {text[:40]} is too large")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
_WITH_LINES = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, strict=False)
_LENIENT = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)


def parse_row(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value at `start` and where it ends.

    Raises:
        RowFault: valid to a JSON reader, but no row: a key twice, Infinity, nested too deeply.
        json.JSONDecodeError: not JSON, or not all of it.
    """
    try:
        return _decoded(text, start)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise RowFault("it is nested too deeply") from None
    except ValueError:
        raise RowFault("it holds a number with too many digits") from None


def _decoded(text: str, start: int) -> tuple[Any, int]:
    """The value; line ends and tabs may stand in its texts as they are, which people and their scripts write."""
    try:
        return _STRICT.raw_decode(text, start)
    except json.JSONDecodeError as error:
        if not (error.msg.startswith("Invalid control character") and text[error.pos] in "\t\n\r"):
            raise
    return _WITH_LINES.raw_decode(text, start)


def json_rows(file: BinaryIO, bad: BadRows, apart: bool = False) -> Numbered:
    """(row number, value) of an open JSON file of any of the shapes; rows of lines are numbered by their lines.

    `apart`: rows that are messages of one chat stay rows.

    Raises:
        DataError: the file breaks off or is not JSON; a bad row with "stop".
    """
    start = _beginning(file)
    if _is_fenced(start):
        file.seek(0)
        file = io.BytesIO(_between_fences(file.read(), bad))
        start = _beginning(file)
    _refuse_other(start, bad)
    shape = _shape(start)
    if shape == "objects" and "\n" not in start.rstrip() and _is_first_of_lines(start, file):
        shape = "lines"
    file.seek(0)
    join = iter if apart else joined_logs
    if shape == "lines":
        return _unless_one_object(join(line_rows(file, bad)), bad)
    rows = _Window(file, bad).rows(shape)
    return join(rows) if shape == "array" else _unless_one_object(rows, bad)


def _beginning(file: BinaryIO) -> str:
    """The file's first chunk that is not white space, from its first other character on."""
    chunk = file.read(CHUNK_BYTES).removeprefix(codecs.BOM_UTF8)
    while chunk and not chunk.strip():
        chunk = file.read(CHUNK_BYTES)
    return chunk.lstrip().decode("utf-8", "replace")


def _is_fenced(text: str) -> bool:
    """Whether a fence of Markdown comes before the first row, as in what is copied from a chat with an assistant."""
    lines = (line.lstrip(_BEFORE_ROWS) for line in text.split("\n")[:_LOOKED_AT_LINES])
    first = next((line for line in lines if line.startswith((*_STARTS, *_FENCES))), "")
    return first.startswith(_FENCES)


def _between_fences(data: bytes, bad: BadRows) -> bytes:
    """What stands between the fences; other lines are blank in it, so that rows keep their lines' numbers."""
    kept, outside, is_inside = [], 0, False
    for line in io.BytesIO(data.removeprefix(codecs.BOM_UTF8)):
        shown = line.strip().decode("utf-8", "replace")
        is_fence = shown.startswith(_FENCES) and not (is_inside and shown.strip("`~"))
        outside += bool(shown) and not is_inside and not is_fence
        kept.append(line if is_inside and not is_fence else b"\n")
        is_inside ^= is_fence
    if outside:
        bad.unread = (*bad.unread, f"what stands outside of the fences (```, {counted(outside, 'line')})")
    return b"".join(kept)


def _refuse_other(text: str, bad: BadRows) -> None:
    """Refuses a file that holds no JSON at all; correcting a row would not help there.

    Raises:
        DataError: says what it looks like.
    """
    if not text or any(line.lstrip(_BEFORE_ROWS)[:1] in _STARTS for line in text.split("\n")[:_LOOKED_AT_LINES]):
        return
    known = (kind for start, kind in _OTHER_FILES.items() if text[:100].lower().startswith(start))
    what, way_out = next(known, _NO_JSON)
    raise DataError(f"{bad.file} is {what} (it begins: {beginning(text)!r}). {way_out}.")


def _shape(text: str) -> str:
    """ "array", "objects" (over several lines), or "lines" (one value a line)."""
    try:
        value, end = _LENIENT.raw_decode(text)
    except json.JSONDecodeError as error:
        if text.startswith("["):
            return "array"
        unfinished = _is_unfinished(error, text) and ("\n" in text.rstrip() or _LIST_IN_OBJECT.match(text) is not None)
        misplaced = error.lineno > 1 and not text.startswith("{", error.pos)
        return "objects" if text.startswith("{") and (unfinished or misplaced) else "lines"
    except RecursionError:
        return "array" if text.startswith("[") else "lines"
    if isinstance(value, list):
        blank, _, follows = text[end:].partition("\n")
        a_line_each = "\n" not in text[:end] and not blank.strip() and follows.lstrip().startswith("[")
        return "lines" if a_line_each else "array"
    return "objects" if "\n" in text[:end] and isinstance(value, Mapping) else "lines"


def _is_first_of_lines(text: str, file: BinaryIO) -> bool:
    """Whether the file's first line, which begins with `text` and goes on where `file` is, has a row of its own after
    it; an object that goes on in the next line may also be broken there."""
    last = text.rstrip()[-1:].encode()
    while not text.endswith("\n") and (piece := file.readline(CHUNK_BYTES)):
        last = piece.rstrip()[-1:] or last
        if piece.endswith(b"\n"):
            break
    follows = file.readline(CHUNK_BYTES)
    while follows and not follows.strip():
        follows = file.readline(CHUNK_BYTES)
    head = follows[:200].strip().decode("utf-8", "replace")
    return bool(head) and (_LIST_IN_OBJECT.match(head) is not None or (last == b"}" and head[0] not in ",]}"))


def _unless_one_object(rows: Numbered, bad: BadRows) -> Numbered:
    """The rows; where there is only one value, those that it holds."""
    first, second = next(rows, None), next(rows, None)
    if first is not None and second is None:
        yield from _held(first, bad)
        return
    yield from (row for row in (first, second) if row is not None)
    yield from rows


def _held(only: tuple[int, Any], bad: BadRows) -> Numbered:
    whole = only[1]
    if isinstance(whole, str):
        whole = _inner_value(whole)
        if isinstance(whole, list):
            yield from enumerate(whole, 1)
            return
    held = rows_of_object(whole) if isinstance(whole, Mapping) else None
    if held is None:
        yield only[0], whole
        return
    bad.unread = (*bad.unread, *held.unread)
    yield from enumerate(held.rows, 1)


def _inner_value(text: str) -> Any:
    """The value of JSON that was written into JSON as a text; the text itself where it is none."""
    try:
        value, end = parse_row(text.strip())
    except (json.JSONDecodeError, RowFault):
        return text
    return value if isinstance(value, Mapping | list) and end == len(text.strip()) else text


class _BrokenError(Exception):
    """Why no further row can be found; a clause for after "row 17:"."""


class _Window:
    """A window of text that moves over the file; `position` is where the next value begins in it."""

    def __init__(self, file: BinaryIO, bad: BadRows) -> None:
        self.file, self.bad = file, bad
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text, self.position, self.bytes_read, self.at_end = "", 0, 0, False
        self.number = 1

    def rows(self, shape: str) -> Numbered:
        """The values of an array, or of objects one after the other; of a file that breaks off, those before that.

        Raises:
            DataError: it breaks off, and bad rows are to stop the preparation; or no row before is whole.
        """
        try:
            if shape == "objects":
                yield from self._objects()
                return
            yield from self._arrays()
        except _BrokenError as broken:
            self.bad.broken(self.number, str(broken), self._rest())

    def _arrays(self) -> Numbered:
        """The values of an array, and of those right after it, which programs write that add their rows in several
        goes."""
        while self.peek() == "[":
            yield from self._array()
        if follows := self.peek():
            raise self._broken(f"{_shown(follows)} stands after the closing ]")

    def _array(self) -> Numbered:
        """The values of an array, whose "[" comes next."""
        self.peek()
        self.position += 1
        while self.peek() != "]":
            yield from self._value()
            follows = self.peek()
            if follows == ",":
                self.position += 1
            elif follows not in ("]", "{"):  # a comma that was forgotten between two rows changes nothing
                raise self._broken(f"a comma or ] should follow the row before, not {_shown(follows)}")
        self.position += 1

    def _objects(self) -> Numbered:
        """Values one after the other, with white space or a comma between."""
        while follows := self.peek():
            if follows == "," and self.number > 1:
                self.position += 1
            elif follows != "{":
                raise self._broken(f"an object should follow the row before, not {_shown(follows)}")
            else:
                yield from self._row_or_list()

    def _row_or_list(self) -> Numbered:
        """A value; of a single object that breaks off within its list of rows, the rows of that list."""
        try:
            yield from self._value()
        except _BrokenError:
            head = _LIST_IN_OBJECT.match(self.text, self.position)
            if head is None or not self.at_end or self.number > 1:
                raise
            self.position = head.end() - 1
            yield from self._array()

    def peek(self) -> str:
        """The next character that is not white space, where `position` then is; "" at the end."""
        while True:
            blank = _BLANK.match(self.text, self.position)
            self.position = blank.end() if blank else self.position
            if self.position < len(self.text):
                return self.text[self.position]
            if self.at_end:
                return ""
            self._fill()

    def _value(self) -> Numbered:
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
        if len(self.text) - self.position > MAX_ROW_CHARS:
            raise self._broken(f"it is longer than {MAX_ROW_CHARS:,} characters, or a quotation mark is missing")
        if not _is_unfinished(error, self.text):
            raise self._broken(f"it is not valid JSON ({_reason(error, self.position)})")
        if self.at_end:
            raise self._broken(f"the file ends within it ({_reason(error, self.position)})")
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
            where = self.bytes_read - (len(error.object) - len(chunk)) + error.start
            raise not_utf8(self.bad.file, where, guessed(error.object), self.number) from None
        self.bytes_read += len(chunk)

    def _rest(self) -> str:
        return self.text[self.position : self.position + 400]

    def _broken(self, reason: str) -> Exception:
        return _BrokenError(reason)


def _is_unfinished(error: json.JSONDecodeError, text: str) -> bool:
    """Whether the text ends where more of the value should follow."""
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - 8


def _shown(follows: str) -> str:
    return repr(follows) if follows else "the end of the file"


def _reason(error: json.JSONDecodeError, start: int) -> str:
    return f"{error.msg}, character {max(0, error.pos - start) + 1} of the row"


def _python_value(text: str) -> Any:
    """The value of a line that Python printed, with single quotation marks."""
    try:
        return parse_row(json.dumps(ast.literal_eval(text.rstrip(","))))[0]
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise RowFault(
            "the line is not valid JSON: its quotation marks are single ones; write it with json.dumps"
        ) from None


class _Lines:
    """The lines of a file; `number` is that of the last one handed out, from 1. Lines can be put back.

    `size_bytes` are handed out, `wasted_bytes` were looked at for nothing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.number = file, 0
        self.size_bytes = self.wasted_bytes = 0
        self._back: deque[bytes] = deque()

    @property
    def may_look_ahead(self) -> bool:
        """Whether a row may be looked for in further lines: not where nearly all of a file is broken."""
        return self.wasted_bytes <= 4 * self.size_bytes + 4 * CHUNK_BYTES

    def next(self) -> bytes:
        """The next line; of one that is far too long, its beginning; b"" at the end."""
        line = self._back.popleft() if self._back else self.file.readline(MAX_ROW_CHARS + 1)
        self.number += bool(line)
        self.size_bytes += len(line)
        return line

    def put_back(self, lines: list[bytes]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)
        self.size_bytes -= sum(map(len, lines))


def line_rows(file: BinaryIO, bad: BadRows) -> Numbered:
    """(line number from 1, value) of line-delimited JSON; blank lines are passed over. An object or an array that goes
    on in the lines after its first one is read too, of such an array each value.

    Raises:
        DataError: a bad row with "stop".
    """
    lines = _Lines(file)
    while line := lines.next():
        number = lines.number
        last = _past_blanks(file, line)
        if not last.replace(codecs.BOM_UTF8, b"").strip():
            continue
        try:
            yield from ((number, value) for value in _line_values(line, lines))
        except UnicodeDecodeError as error:
            other = not_utf8(bad.file, error.start, guessed(error.object), number)
            if bad.way == "stop":
                raise other from None
            bad.reject(
                number, f"byte {error.start + 1} of the line is not UTF-8", last[:400].decode("utf-8", "replace")
            )
        except RowFault as fault:
            bad.reject(number, str(fault), last[:400].decode("utf-8", "replace"))
        _skip_rest(file, last)


def _past_blanks(file: BinaryIO, line: bytes) -> bytes:
    """`line`, or where it is a long stretch of white space, the first piece after it with more in it, or the last."""
    while line and not line.endswith(b"\n") and not line.strip():
        line = file.readline(CHUNK_BYTES)
    return line


def _skip_rest(file: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = file.readline(CHUNK_BYTES)


def _line_values(line: bytes, lines: _Lines) -> list[Any]:
    if len(line) > MAX_ROW_CHARS:
        raise RowFault(f"the line is longer than {MAX_ROW_CHARS:,} bytes")
    try:
        text = line.decode("utf-8").strip(_AROUND_ROWS)
        value, end = parse_row(text)
    except json.JSONDecodeError as error:
        if text.startswith(("{'", "['", "[{'")):
            return [_python_value(text)]
        goes_on = text.startswith(("{", "[")) and _is_unfinished(error, text)
        goes_on &= lines.may_look_ahead
        values = _values_over_lines(line.lstrip(_AROUND_ROWS.encode()), lines) if goes_on else None
        if values is None:
            raise RowFault(f"the line is not valid JSON ({_reason(error, 0)})") from None
        return values
    if text[end:].strip() not in ("", ","):
        raise RowFault(f"{text[end:].strip()[:20]!r} stands after the row's end; one row a line")
    return [value]


def _values_over_lines(first: bytes, lines: _Lines) -> list[Any] | None:
    """The value that begins in the line `first` and ends in a later one, of an array its values; None where none does.

    What stands after it is put back. It is tried where a line may close it, a few times, and whenever there is twice as
    much as at the last try, so that a long value is not parsed again and again.

    Raises:
        RowFault: it ends, but is no row.
        UnicodeDecodeError: it ends, but is not UTF-8.
    """
    pieces, size, tried, closings = [first], len(first), len(first), 0
    while size <= MAX_ROW_CHARS and (line := lines.next()):
        pieces.append(line)
        size += len(line)
        closes = line.startswith((b"}", b"]")) and closings < _CLOSINGS_TRIED
        if size < 2 * tried and not closes:
            continue
        closings += closes
        tried = size
        end = _end_in(b"".join(pieces))
        if end is None:
            break
        if end:
            return _values_before(end, pieces, lines)
    end = _end_in(b"".join(pieces))
    if end:
        return _values_before(end, pieces, lines)
    lines.put_back(pieces[1:])
    lines.wasted_bytes += size
    return None


def _end_in(data: bytes) -> int | None:
    """Where the value ends that these bytes begin with; 0: further on, None: nowhere."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        return len(text[: _LENIENT.raw_decode(text)[1]].encode("utf-8", "surrogateescape"))
    except json.JSONDecodeError as error:
        return 0 if _is_unfinished(error, text) else None
    except RecursionError:
        return None


def _values_before(end: int, pieces: list[bytes], lines: _Lines) -> list[Any]:
    """The values that stand before `end` in these lines; what comes after it is put back."""
    data = b"".join(pieces)
    rest = io.BytesIO(data[end:]).readlines()
    if rest and not rest[0].strip(b", \t\r\n"):
        del rest[0]
    lines.put_back(rest)
    try:
        value, _ = parse_row(data[:end].decode("utf-8"))
    except json.JSONDecodeError as error:
        raise RowFault(f"it is not valid JSON ({_reason(error, 0)})") from None
    return value if isinstance(value, list) and not _is_turn(value[0] if value else None) else [value]


def _is_turn(value: Any) -> bool:
    return isinstance(value, Mapping) and ({"role", "content"} <= value.keys() or {"from", "value"} <= value.keys())
