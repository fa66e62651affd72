"""Where ids are kept: the text's own in one array on disk, those of blocks' edges in a small array in memory."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training_pro.text.tokenizing.encoding import Ids, TextEncoder

_MOST_REMEMBERED = 100_000  # edges; more would cost more memory than encoding them again costs time
NO_PATCH = 0


class IdFile:
    """Ids written one after another to an unnamed file, then read as one array mapped from it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as the map on it
        self.size = 0

    def append(self, ids: Ids) -> None:
        self._file.write(ids.tobytes())
        self.size += len(ids)

    def array(self) -> Ids:
        """All ids, (size,) int32."""
        if not self.size:
            return np.empty(0, dtype=np.int32)
        self._file.flush()
        mapped = np.memmap(self._file, dtype=np.int32, mode="r", shape=(self.size,))
        return mapped.view(np.ndarray)


class Patches:
    """The ids at blocks' edges, each by number; patch 0 is empty.

    Few edges differ ("He", "The", ...), so what was encoded lately is looked up.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._remembered: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})
        self._ids = array("i")
        self._ends = array("q", [0])
        self._fillers: dict[int, int] = {}

    @classmethod
    def restored(cls, encoder: TextEncoder, ids: Ids, ends: npt.NDArray[np.int64]) -> Patches:
        """The patches whose `arrays` these are."""
        patches = cls(encoder)
        patches._ids, patches._ends = array("i", ids.tobytes()), array("q", ends.tobytes())
        return patches

    def arrays(self) -> tuple[Ids, npt.NDArray[np.int64]]:
        """All ids one after another, and where each patch ends."""
        return np.array(self._ids, dtype=np.int32), np.array(self._ends, dtype=np.int64)

    def numbers(self, texts: Sequence[bytes], middle: bool) -> Ids:
        """A patch number for each text (UTF-8), encoded alone or, if `middle`, as after a safe cut."""
        known = self._remembered[middle]
        if len(known) > _MOST_REMEMBERED:
            known.clear()
        known[b""] = NO_PATCH
        new = list(dict.fromkeys(text for text in texts if text not in known))
        encoded = self._encoder.encode_parts([text.decode() for text in new], [not middle] * len(new))
        for text, ids in zip(new, encoded, strict=True):
            self._ids.extend(ids)
            known[text] = len(self._ends)
            self._ends.append(len(self._ids))
        return np.fromiter(map(known.__getitem__, texts), dtype=np.int32, count=len(texts))

    def number(self, text: bytes, middle: bool) -> int:
        """The patch number of one text."""
        known = self._remembered[middle].get(text)
        return int(self.numbers([text], middle)[0]) if known is None else known

    def filler(self, length: int) -> int:
        """The number of a patch of so many ids that is there to be counted, never to be read."""
        if length not in self._fillers:
            self._ids.extend([0] * length)
            self._fillers[length] = len(self._ends)
            self._ends.append(len(self._ids))
        return self._fillers[length]

    def length(self, number: int) -> int:
        """The number of ids in one patch."""
        return self._ends[number] - (self._ends[number - 1] if number else 0)

    def ids(self, number: int) -> Ids:
        start = self._ends[number - 1] if number else 0
        return np.array(self._ids[start : self._ends[number]], dtype=np.int32)

    def lengths(self, numbers: Ids) -> Ids:
        """The number of ids in each patch."""
        counts = np.diff(np.frombuffer(self._ends, dtype=np.int64), prepend=0)
        return counts[numbers].astype(np.int32)
