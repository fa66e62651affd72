"""Encoded rows and texts on disk, so that Verify, preview and Start tokenize a dataset once.

One folder per key, made of arrays and a manifest with the size and digest of each; it gets its name only when
it is whole, and what is found broken is thrown away and made again. Nothing is unpickled. Reading costs a
second per gigabyte for the digests; the arrays are then mapped, not loaded. The oldest entries go when there
are too many or they take too much room.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tokenize
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from training_pro.data.fingerprint import digest, files_digest
from training_pro.errors import DataError, RunError
from training_pro.record.whole_files import free_disk_bytes, staged_folder, sweep_temporaries

logger = logging.getLogger(__name__)

LAYOUT = 7  # raised whenever what is prepared, or how it is stored, changes
KEPT_ENTRIES = 24
KEPT_BYTES = 8 << 30
MAPPED_BYTES = 1 << 16  # smaller arrays are simply read
_MANIFEST = "manifest.json"
# What json and numpy raise for files that are not what was written.
_BROKEN = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    RecursionError,
    SyntaxError,
    tokenize.TokenError,
    DataError,
)
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class CacheEntry:
    """What is kept under one key: arrays by name, and a few plain JSON values."""

    arrays: Arrays
    facts: dict[str, Any] = field(default_factory=dict)


class PreparedCache:
    """The entries under `folder`; never the reason for a failure: what can't be kept is made again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "prepared"

    def load(self, key: str) -> CacheEntry | None:
        """The entry stored under `key`, or None if there is none that is whole."""
        entry = self._folder / key
        try:
            manifest = json.loads((entry / _MANIFEST).read_text(encoding="utf-8"))
            if manifest["layout"] != LAYOUT:
                return None
            arrays = {name: _checked_array(entry / f"{name}.npy", seen) for name, seen in manifest["arrays"].items()}
            found = CacheEntry(arrays, dict(manifest["facts"]))
            os.utime(entry)
        except FileNotFoundError:
            return None
        except _BROKEN as error:
            logger.warning("Prepared data %s is not whole (%s) and is made again.", key, error)
            shutil.rmtree(entry, ignore_errors=True)
            return None
        return found

    def store(self, key: str, entry: CacheEntry) -> None:
        """Keep `entry` under `key`, if there is room for it twice over."""
        arrays = entry.arrays
        size = sum(values.nbytes for values in arrays.values())
        try:
            if size > KEPT_BYTES // 2 or free_disk_bytes(self._folder) < 2 * size:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            sweep_temporaries(self._folder)
            with staged_folder(self._folder / key) as staging:
                for name, values in arrays.items():
                    np.save(staging / f"{name}.npy", values, allow_pickle=False)
                seen = {name: files_digest([staging / f"{name}.npy"]) for name in arrays}
                manifest = {"layout": LAYOUT, "arrays": seen, "facts": entry.facts}
                (staging / _MANIFEST).write_text(json.dumps(manifest, ensure_ascii=True), encoding="utf-8")
            self._prune(key)
        except (OSError, RunError, DataError) as error:
            logger.warning("Prepared data could not be kept: %s", error)

    def _prune(self, newest: str) -> None:
        entries = [entry for entry in self._folder.iterdir() if (entry / _MANIFEST).is_file()]
        entries.sort(key=lambda entry: (entry.name == newest, entry.stat().st_mtime), reverse=True)
        room = KEPT_BYTES
        for place, entry in enumerate(entries):
            room -= sum(file.stat().st_size for file in entry.iterdir())
            if place >= KEPT_ENTRIES or (room < 0 and place > 0):
                shutil.rmtree(entry, ignore_errors=True)


def cache_key(*parts: Any) -> str:
    """The key for these JSON-able parts."""
    return digest(str(LAYOUT), json.dumps(parts, sort_keys=True, default=str))


def _checked_array(path: Path, seen: str) -> npt.NDArray[Any]:
    if files_digest([path]) != seen:
        raise ValueError(f"{path.name} is not what was written")
    mode: Literal["r"] | None = "r" if path.stat().st_size > MAPPED_BYTES else None
    found: npt.NDArray[Any] = np.load(path, mmap_mode=mode, allow_pickle=False)
    return found
