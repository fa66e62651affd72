"""A run's history: one line per update in ``training_history.jsonl``, on disk as it happens.

A line goes to the system in one write, so a killed process loses at most the line it was writing, and
`sync` (at checkpoints) forces all of them to the disk. What a crash tore is dropped when read and cut
off when the run continues. Costs some 20 microseconds and 250 bytes an update, 88 bytes of them in memory.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from training_pro.errors import RunError
from training_pro.record.points import COLUMNS, Point, PointColumns, Points, evenly, point_from
from training_pro.record.whole_files import strict_json, write_fault
from training_pro.words import utc_now

HISTORY_FILE = "training_history.jsonl"
_TAIL_BYTES = 65536
_PIECE_BYTES = 2048  # a few lines
_BLOCK_BYTES = 262144  # what is entered at once
_HEAD_BYTES = 48  # where a line says whether it is an event
_PLAIN = COLUMNS[:-1]  # what the line of an update holds that was not evaluated: nearly all lines
_numbers_in = itemgetter(*_PLAIN)
_QUOTES = 2 * len(_PLAIN)


@dataclass(frozen=True)
class Event:
    """Something that happened at an update: "checkpoint", "sample", "setting", "note", "stop", ..."""

    kind: str
    update: int
    text: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    at: str = ""  # UTC, ISO 8601; filled in when the event is added


@dataclass(frozen=True)
class HistoryData:
    """What a history file holds; `torn_lines` counts the lines that could not be read."""

    points: Points
    events: tuple[Event, ...] = ()
    torn_lines: int = 0


class History:
    """The open history of a run: one thread adds, any thread reads."""

    def __init__(self, path: Path, handle: int, read: Reading) -> None:
        self.path = path
        self._handle = handle
        self._size = read.whole_bytes
        self._columns = read.columns
        self._events = read.events
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, resume_at: int | None = None) -> History:
        """Open or begin the history at `path`; a torn end is cut off.

        With `resume_at`, everything after that update is cut too: it will happen again. 0 begins from scratch.

        Raises:
            RunError: the file can't be read or written.
        """
        try:
            read = _read(path, resume_at)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            try:
                os.ftruncate(handle, read.whole_bytes)
                os.lseek(handle, read.whole_bytes, os.SEEK_SET)
            except OSError:
                os.close(handle)
                raise
        except OSError as error:
            raise write_fault(path, error) from error
        return cls(path, handle, read)

    @classmethod
    def unwritten(cls, path: Path, resume_at: int | None = None) -> History:
        """The history in memory alone, for a process that leaves writing it to another."""
        return _Unwritten(path, -1, _read(path, resume_at))

    @property
    def points(self) -> Points:
        """All updates so far; a view that later updates do not change."""
        with self._lock:
            return self._columns.snapshot()

    @property
    def events(self) -> tuple[Event, ...]:
        with self._lock:
            return tuple(self._events)

    def data(self) -> HistoryData:
        """Points and events of the same moment."""
        with self._lock:
            return HistoryData(self._columns.snapshot(), tuple(self._events))

    def add(self, point: Point) -> None:
        """Add an update.

        Raises:
            RunError: it couldn't be written; the file still ends with the line before.
        """
        with self._lock:
            self._write(_point_line(point))
            self._columns.add(point)

    def add_eval(self, update: int, eval_loss: float) -> None:
        """Add the evaluation loss of an update already there (evaluation comes after the update's line).

        Raises:
            RunError: as `add`.
        """
        with self._lock:
            self._write({"update": update, "eval_loss": _number(eval_loss)})
            self._columns.set_eval(update, eval_loss)

    def add_event(self, event: Event) -> None:
        """Add an event; without a time it gets the present one.

        Raises:
            RunError: as `add`.
        """
        at = event.at or utc_now()
        event = Event(event.kind, event.update, event.text, dict(event.details), at)
        with self._lock:
            self._write(_event_line(event))
            self._events.append(event)

    def sync(self) -> None:
        """Force all lines to the disk; call it before a checkpoint takes its place.

        Raises:
            RunError: the disk could not take them.
        """
        with self._lock:
            try:
                if self._handle >= 0:
                    os.fsync(self._handle)
            except OSError as error:
                raise write_fault(self.path, error) from error

    def close(self) -> None:
        """Sync and close; a second call does nothing."""
        self.sync()
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
            self._handle = -1

    def _write(self, values: dict[str, Any]) -> None:
        """One line in one write; whatever part of it the disk took is cut off again if not all fits."""
        if self._handle < 0:
            raise RunError(f"{self.path} is closed. Open the history again to continue.")
        line = (json.dumps(values, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        try:
            written = os.write(self._handle, line)
            while written < len(line):
                written += os.write(self._handle, line[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._handle, self._size)
            os.lseek(self._handle, self._size, os.SEEK_SET)  # the next line goes over what is left
            raise write_fault(self.path, error) from error
        self._size += len(line)


class _Unwritten(History):
    def _write(self, values: dict[str, Any]) -> None:
        """Nothing is written."""


def read_history(path: Path) -> HistoryData:
    """Everything whole in the history at `path`; an absent file is an empty history. 100,000 updates: 0.1 s.

    Raises:
        RunError: the file is there and can't be read.
    """
    try:
        read = _read(path, None)
    except OSError as error:
        raise RunError(f"The history {path} can't be read ({error.strerror}); check the file.") from error
    return HistoryData(read.columns.snapshot(), tuple(read.events), read.torn_lines)


def sample_history(path: Path, most: int = 60) -> list[Point]:
    """About `most` points evenly evenly over a history of any length, the last one included.

    Reads only at those places: a millisecond, for lists of many runs. An absent file gives [].

    Raises:
        RunError: the file is there and can't be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size <= _TAIL_BYTES:
                file.seek(0)
                return [point for line in evenly(_point_lines(file.read()), most) for point in _first_point([line])]
            found = []
            for place in range(most - 1):
                file.seek(size * place // most)
                found.extend(_first_point(_point_lines(file.read(_PIECE_BYTES), torn_start=place > 0)))
            file.seek(-_TAIL_BYTES, os.SEEK_END)
            return found + _first_point(reversed(_point_lines(file.read(), torn_start=True)))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"The history {path} can't be read ({error.strerror}); check the file.") from error


class Reading:
    """What was found while reading: the file is good up to `whole_bytes`."""

    def __init__(self, columns: PointColumns | None = None, events: list[Event] | None = None) -> None:
        self.columns = columns if columns is not None else PointColumns()
        self.events: list[Event] = events if events is not None else []
        self.whole_bytes = 0
        self.torn_lines = 0
        self._end = 0

    def take_lines(self, lines: list[bytes], resume_at: int | None) -> bool:
        """Take up the next lines of the file; False where the first comes that is later than `resume_at`."""
        last = math.inf if resume_at is None else resume_at
        for alike, group in groupby(lines, _looks_plain):
            some = list(group)
            rows = _plain_rows(some) if alike else None
            if rows is not None and rows[:, 0].max() <= last:
                self._end += sum(map(len, some))
                self.columns.add_rows(rows)
                self.whole_bytes = self._end
            elif not all(self._take_line(line, last) for line in some):
                return False
        return True

    def _take_line(self, line: bytes, last: float) -> bool:
        """False for what is later than the update `last`."""
        self._end += len(line)
        values = _values(line)
        if values is None:
            self.torn_lines += 1
            return True
        if values["update"] > last:
            return False
        self._take(values)
        self.whole_bytes = self._end
        return True

    def _take(self, values: dict[str, Any]) -> None:
        if "event" in values:
            self.events.append(_event(values))
        elif "loss" in values:
            self.columns.add_rows(np.array([[*_measures(values), values.get("eval_loss") is not None]]))
        else:
            self.columns.set_eval(values["update"], _measured(values["eval_loss"]))


def _looks_plain(line: bytes) -> bool:
    """Whether the line holds the numbers of `_PLAIN` and no word, as nearly all do."""
    return line.count(b'"') == _QUOTES and line.endswith(b"}\n")


def _plain_rows(lines: list[bytes]) -> NDArray[np.float64] | None:
    """The rows of lines that look plain, in a third of the time of one by one; None where one of them is not."""
    try:
        numbers = [_numbers_in(orjson.loads(line)) for line in lines]
    except (ValueError, KeyError, TypeError):
        return None
    whole = all(_is_update(row[0]) for row in numbers)
    if not whole or not set(map(type, chain.from_iterable(numbers))) <= {int, float}:
        return None
    rows = np.full((len(numbers), len(COLUMNS) + 1), (*[0.0] * len(_PLAIN), math.nan, 0.0))
    rows[:, : len(_PLAIN)] = numbers
    return rows


def _read(path: Path, resume_at: int | None) -> Reading:
    read = Reading()
    if resume_at == 0 or not path.exists():
        return read
    with path.open("rb") as file:
        while lines := file.readlines(_BLOCK_BYTES):
            if not read.take_lines(lines, resume_at):
                break
    return read


def _values(line: bytes) -> dict[str, Any] | None:
    """The line's object if it is a whole line of ours."""
    if not line.endswith(b"\n"):
        return None
    try:
        values = orjson.loads(line)
    except ValueError:
        values = _in_python(line)
    return values if _is_ours(values) else None


def _in_python(line: bytes) -> Any:
    """What the quick reader refuses and Python's own takes: half a surrogate, NaN as a word; else None."""
    try:
        return json.loads(line.decode())
    except (ValueError, RecursionError):
        return None


def _is_ours(values: Any) -> bool:
    if not isinstance(values, dict) or not _is_update(values.get("update")):
        return False
    return "loss" in values or "eval_loss" in values or isinstance(values.get("event"), str)


def _is_update(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _point_lines(piece: bytes, torn_start: bool = False) -> list[bytes]:
    """The lines of a piece of the file that look like points; only those wanted are then parsed."""
    lines = piece.splitlines(keepends=True)[1 if torn_start else 0 :]
    return [
        line for line in lines if line.endswith(b"}\n") and b'"loss"' in line and b'"event"' not in line[:_HEAD_BYTES]
    ]


def _first_point(lines: Iterable[bytes]) -> list[Point]:
    """The first whole point among `lines`, if there is one."""
    for line in lines:
        values = _values(line)
        if values and "loss" in values and "event" not in values:
            return [_point(values)]
    return []


def _point_line(point: Point) -> dict[str, Any]:
    values: dict[str, Any] = {name: _number(getattr(point, name)) for name in COLUMNS[1:-1]}
    if point.eval_loss is not None:
        values["eval_loss"] = _number(point.eval_loss)
    return {"update": point.update, **values}


def _event_line(event: Event) -> dict[str, Any]:
    line: dict[str, Any] = {"update": event.update, "event": event.kind, "text": event.text, "at": event.at}
    return {**line, "details": strict_json(event.details)} if event.details else line


def _measures(values: dict[str, Any]) -> list[float]:
    """The numbers of `COLUMNS`; what is missing or wrong is NaN."""
    return [values["update"], *(_measured(values.get(name, math.nan)) for name in COLUMNS[1:])]


def _point(values: dict[str, Any]) -> Point:
    return point_from([*_measures(values), values.get("eval_loss") is not None])


def _event(values: dict[str, Any]) -> Event:
    details = values.get("details")
    return Event(
        str(values["event"]),
        values["update"],
        str(values.get("text", "")),
        details if isinstance(details, dict) else {},
        str(values.get("at", "")),
    )


def _number(value: float) -> float | str:
    """JSON has no word for NaN and infinity: they are written as text."""
    return value if math.isfinite(value) else str(value)


def _measured(value: Any) -> float:
    if type(value) is float:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
