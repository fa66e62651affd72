"""The kept table of measured perplexities: ``perplexity.csv`` among the host's logs, a line a measurement.

A CSV, so that any spreadsheet opens it. It is rewritten whole under a lock that other processes respect; a file that
can't be read as the table is moved aside, never overwritten. Costs some milliseconds a thousand lines.
"""

from __future__ import annotations

import csv
import io
import math
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import count
from typing import Any

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.lock import alone, short_lock
from training_pro.record.whole_files import rename, write_fault, write_whole
from training_pro.words import utc_now, utc_stamp

TABLE_FILE = "perplexity.csv"
MOST_COMMENT_CHARACTERS = 2000
_FORMULA = ("=", "+", "-", "@", "\t", "'")  # what a spreadsheet takes for a formula, and our own guard


@dataclass(frozen=True)
class Measurement:
    """One line: when (UTC, ISO 8601), what was measured on what and how, and what came out.

    `lora` is "" for none; `context` and `stride` are tokens, `tokens` the scored ones.
    """

    model: str
    quantization: str
    lora: str
    text: str
    context: int
    stride: int
    bos: bool
    tokens: int
    perplexity: float
    comment: str = ""
    date: str = field(default_factory=utc_now)
    id: str = field(default_factory=lambda: secrets.token_hex(4))


_COLUMNS = ("date", *(f.name for f in fields(Measurement) if f.name != "date"))
_WHOLE = ("context", "stride", "tokens")
_in_this_process = threading.Lock()


class PerplexityTable:
    """The table below one user data folder."""

    def __init__(self, folders: Folders) -> None:
        self.path = folders.logs / TABLE_FILE

    def read(self) -> tuple[list[Measurement], str]:
        """The lines, the latest first, and what to say where a bad file had to be moved aside ("" where not).

        Raises:
            RunError: the file can't be read, or not be moved aside.
        """
        with self._locked():
            lines, said = self._lines()
        return lines[::-1], said

    def look(self) -> tuple[list[Measurement], str]:
        """As `read`, for those who only look: waits for nobody, and leaves a bad file where it is."""
        try:
            return _measurements(self.path.read_bytes())[::-1], ""
        except FileNotFoundError:
            return [], ""
        except OSError as error:
            return [], f"{self.path} can't be read ({error.strerror or error}). Allow reading it."
        except (ValueError, KeyError, csv.Error) as error:
            return (
                [],
                f"{self.path} is not a valid table ({error}). The next measurement starts a new one and keeps it.",
            )

    def stamp(self) -> tuple[int, int] | None:
        """Another one whenever the table has changed; None for no table. Costs one look at the file."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def add(self, measurement: Measurement) -> str:
        """Keep one more line; what there is to say.

        Raises:
            RunError: the disk refuses; the table is then as it was.
        """
        return self._change(lambda lines: [*lines, measurement])

    def comment(self, line: str, comment: str) -> str:
        """Give the line of this id another comment; what there is to say.

        Raises:
            RunError: too long, no such line, or the disk refuses.
        """
        if len(comment) > MOST_COMMENT_CHARACTERS:
            raise RunError(f"The comment has {len(comment):,} characters; shorten it to {MOST_COMMENT_CHARACTERS:,}.")
        return self._change(lambda lines: [replace(m, comment=comment) if m.id == line else m for m in lines], line)

    def remove(self, line: str) -> str:
        """Remove the line of this id; what there is to say.

        Raises:
            RunError: no such line, or the disk refuses.
        """
        return self._change(lambda lines: [m for m in lines if m.id != line], line)

    def _change(self, change: Callable[[list[Measurement]], list[Measurement]], wanted: str | None = None) -> str:
        with self._locked():
            lines, said = self._lines()
            if wanted is not None and wanted not in {line.id for line in lines}:
                raise RunError("This measurement no longer exists. Choose one from the table.")
            write_whole(self.path, _csv(change(lines)))
        return said

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Raises: RunError: another process has the table, or the folder refuses."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _in_this_process, alone(short_lock(self.path.with_name(f".{TABLE_FILE}.lock"))):
                yield
        except OSError as error:
            raise write_fault(self.path, error) from error

    def _lines(self) -> tuple[list[Measurement], str]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return [], ""
        try:
            return _measurements(content), ""
        except (ValueError, KeyError, csv.Error) as error:
            return [], self._moved_aside(error)

    def _moved_aside(self, error: Exception) -> str:
        stamp = utc_stamp()
        aside = self.path.with_name(f"{self.path.stem}-bad-{stamp}-{secrets.token_hex(2)}.csv")
        rename(self.path, aside)
        return f"{self.path} is no longer the table ({error}). It is kept as {aside.name}, and a new table is started."


def _csv(lines: list[Measurement]) -> str:
    out = io.StringIO()
    # Every text in quotes: csv leaves a lone CR without, and then can't read it again.
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    for line in lines:
        writer.writerow({name: _guarded(value) for name, value in asdict(line).items()})
    return out.getvalue()


def _guarded(value: Any) -> Any:
    """Text of others never becomes a spreadsheet's formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _measurements(content: bytes) -> list[Measurement]:
    """Raises: ValueError, KeyError, csv.Error: it is not the table."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"no column {missing[0]}")
    return _told_apart([_measurement(row, rows.line_num) for row in rows])


def _told_apart(lines: list[Measurement]) -> list[Measurement]:
    """Lines that were copied by hand share an id: all but the first get one of their own, the same at each reading."""
    taken, met = {line.id for line in lines}, set[str]()
    apart = []
    for line in lines:
        fresh = line.id if line.id not in met else next(new for new in _others(line.id) if new not in taken)
        taken.add(fresh)
        met.add(fresh)
        apart.append(replace(line, id=fresh))
    return apart


def _others(given: str) -> Iterator[str]:
    return (f"{given}-{number}" for number in count(2))


def _measurement(row: dict[str, Any], line: int) -> Measurement:
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    if any(not isinstance(value, str) for value in values.values()):
        raise ValueError(f"line {line} breaks off")
    for name, value in values.items():
        values[name] = value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value
    values.update({name: int(values[name]) for name in _WHOLE})
    values["perplexity"] = float(values["perplexity"])
    if math.isnan(values["perplexity"]) or values["bos"] not in ("True", "False"):
        raise ValueError(f"line {line} holds no measurement")
    values["bos"] = values["bos"] == "True"
    return Measurement(**values)
