"""The queue's list on the disk: one JSON file, written whole, shared by all processes on the same folders.

Asking whether another process has changed it costs one `stat`, a write two fsyncs.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from training_pro.errors import RunError, UserError
from training_pro.queue.entry import Entry, entry_from
from training_pro.record.lock import alone, short_lock
from training_pro.record.whole_files import write_fault, write_json_whole
from training_pro.small_files import json_in
from training_pro.values import plain
from training_pro.words import reason_of, utc_stamp


class KeptList:
    """The entries in `file`; with None they are kept in memory alone.

    `fault` is the sentence on what could not be read, "" for nothing; the file it was in is then kept aside.
    """

    def __init__(self, file: Path | None) -> None:
        self.fault = ""
        self._file = file
        self._seen: tuple[int, ...] | None = None
        self._lock = short_lock(file.with_name(f"{file.name}.lock")) if file is not None else None

    def alone(self) -> AbstractContextManager[None]:
        """While this is held, no other process changes the list: for reading, changing and writing it, never longer.

        May be entered again inside itself, by one thread at a time.

        Raises:
            RunError: another process doesn't let go.
        """
        return alone(self._lock) if self._lock is not None else nullcontext()

    def changed(self) -> bool:
        """Whether the file differs from the one last read or written here."""
        return self._file is not None and self._mark() != self._seen

    def read(self) -> list[Entry]:
        """The entries that can be read, in their order; a missing file has none."""
        self._seen = self._mark()
        if self._file is None or not self._file.exists():
            return []
        entries, faults = _entries(self._file)
        if faults:
            self.fault = f"{faults[0]} {self._kept_aside()}"
        return entries

    def write(self, entries: tuple[Entry, ...]) -> None:
        """Raises:
        RunError: it couldn't be written; the old list is still there.
        """
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_fault(self._file, error) from error
        write_json_whole(self._file, {"entries": [plain(entry) for entry in entries]})
        self._seen = self._mark()

    def _mark(self) -> tuple[int, ...] | None:
        with suppress(OSError):
            if self._file is not None:
                found = self._file.stat()
                return found.st_ino, found.st_size, found.st_mtime_ns
        return None

    def _kept_aside(self) -> str:
        assert self._file is not None
        aside = self._file.with_name(f"{self._file.stem}-{utc_stamp()}{self._file.suffix}")
        try:
            aside.write_bytes(self._file.read_bytes())
        except OSError as error:
            return f"It is in {self._file} ({error.strerror})."
        return f"The list as it was is kept in {aside}."


def _entries(file: Path) -> tuple[list[Entry], list[str]]:
    """The entries in `file`, and a sentence for each that can't be read."""
    try:
        written = _written(file)
    except RunError as error:
        return [], [str(error)]
    entries, faults = [], []
    for values in written:
        try:
            entries.append(entry_from(values))
        except UserError as error:
            faults.append(f"A run of the queue can't be read: {reason_of(error)}")
    return entries, faults


def _written(file: Path) -> list[Any]:
    try:
        values = json_in(file)
    except (OSError, ValueError) as error:
        raise RunError(f"The queue {file} can't be read ({reason_of(error)}).") from error
    written = values.get("entries") if isinstance(values, dict) else None
    if not isinstance(written, list):
        raise RunError(f"The queue {file} is not valid (it has no list of entries).")
    return written
