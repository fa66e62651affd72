"""The history of a run that another process writes, read as it grows. A look at nothing new costs microseconds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from training_pro.record.history import History, Reading

_CLOSED = -1


class FollowedHistory(History):
    """Like an open history, but only `look` adds to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _CLOSED, Reading())
        self._file = 0

    def look(self) -> None:
        """Take over what has been written since the last look; a file that was cut or replaced is read again."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            known = Path(self.path).stat()
            with self._lock:
                if known.st_ino != self._file or known.st_size < self._size:
                    self._begin_anew(known.st_ino)
                file.seek(self._size)
                self._take(file.read())

    def _begin_anew(self, file: int) -> None:
        read = Reading()
        self._file, self._size, self._columns, self._events = file, 0, read.columns, read.events

    def _take(self, piece: bytes) -> None:
        """Whole lines only; what is still being written comes with the next look."""
        lines = [line for line in piece.splitlines(keepends=True) if line.endswith(b"\n")]
        if lines:
            Reading(self._columns, self._events).take_lines(lines, None)
            self._size += sum(map(len, lines))
