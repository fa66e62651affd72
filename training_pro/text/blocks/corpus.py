"""All documents of a run as one UTF-8 buffer on disk, addressed by byte.

Text stays out of the process's heap: files are cleaned in pieces into an unnamed temporary file that is mapped into
memory, so a gigabyte of text costs address space, not Python objects. Writing it takes about a second per gigabyte.
The first step on a block's way: file -> sections -> sentences -> blocks -> token ids.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training_pro.errors import DataError
from training_pro.progress import Progress, no_progress
from training_pro.text.reading import cleaned_pieces

Offsets = npt.NDArray[np.int64]

_PAGE_BYTES = 1 << 16
_TRIM_BYTES = 1 << 8
_CONTINUATION_LOW, _CONTINUATION_HIGH = 0x80, 0xC0
_LONGEST_CHARACTER_BYTES = 4


class Corpus:
    """Documents one after another; document i is bytes `starts[i]` to `starts[i + 1]`.

    Guarantees: every offset handed out or taken lies between two characters.
    """

    def __init__(self, documents: Iterable[Iterable[bytes]], folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as the map on it
        starts = [0]
        for pieces in documents:
            starts.append(starts[-1] + sum(map(self._file.write, pieces)))
        self._file.flush()
        self.starts: Offsets = np.array(starts, dtype=np.int64)
        self.size_bytes = starts[-1]
        self.buffer: mmap.mmap | bytes = b""
        if self.size_bytes:
            self.buffer = mmap.mmap(self._file.fileno(), self.size_bytes, access=mmap.ACCESS_READ)

    @classmethod
    def of_texts(cls, texts: Sequence[str], folder: Path | None = None) -> Corpus:
        """Each text is a document, taken as it is.

        Raises:
            DataError: a text holds half a surrogate pair, which no encoding can write.
        """
        return cls(([_encoded(text, number)] for number, text in enumerate(texts)), folder)

    @classmethod
    def of_files(cls, files: Sequence[Path], folder: Path | None = None, progress: Progress | None = None) -> Corpus:
        """Each file is a document: UTF-8, byte order mark removed, CRLF and CR as line feeds.

        Raises:
            DataError: a file can't be read or is not UTF-8.
            Cancelled: from `progress`.
        """
        report = progress or no_progress
        return cls((cleaned_pieces(file, report) for file in files), folder)

    def text(self, start: int, end: int) -> str:
        return self.buffer[start:end].decode("utf-8")

    def trimmed(self, start: int, end: int) -> tuple[int, int]:
        """The span without white space at either end; an empty span where there is nothing else."""
        while start < end:
            stop = self.border(min(start + _TRIM_BYTES, end), end)
            solid = self.text(start, stop).lstrip()
            start = stop - len(solid.encode())
            if solid:
                break
        while start < end:
            first = self.border(max(end - _TRIM_BYTES, start), end)
            solid = self.text(first, end).rstrip()
            end = first + len(solid.encode())
            if solid:
                break
        return start, end

    def border(self, offset: int, end: int) -> int:
        """`offset`, or the next offset at which a character starts, at most `end`."""
        for at in range(offset, min(offset + _LONGEST_CHARACTER_BYTES, end)):
            if not _CONTINUATION_LOW <= self.buffer[at] < _CONTINUATION_HIGH:
                return at
        return end

    def document_of(self, offset: int) -> int:
        return int(np.searchsorted(self.starts, offset, side="right")) - 1

    def characters_before(self, offset: int) -> int:
        """Code points from the corpus's start to `offset`."""
        page = offset // _PAGE_BYTES
        return int(self._characters_by_page[page]) + _characters(self.buffer[page * _PAGE_BYTES : offset])

    @cached_property
    def _characters_by_page(self) -> Offsets:
        pages = range(0, self.size_bytes, _PAGE_BYTES)
        counts = [_characters(self.buffer[at : at + _PAGE_BYTES]) for at in pages]
        return np.cumsum([0, *counts], dtype=np.int64)


def _characters(part: bytes) -> int:
    units = np.frombuffer(part, dtype=np.int8)
    return int(np.count_nonzero(units >= _CONTINUATION_HIGH - 256))  # as signed bytes, continuations are lowest


def _encoded(text: str, number: int) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"Text {number + 1} holds a broken character (half of a pair, U+{ord(text[error.start]):04X} at "
            f"character {error.start}), which no file can hold. Remove it."
        ) from None
