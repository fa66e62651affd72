"""A file from a browser into the datasets folder: a safe name, a known kind, a size limit, nothing replaced.

What is there already is found by its content; other content under the same name is kept beside it.
"""

from __future__ import annotations

import filecmp
import os
import re
import unicodedata
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from training_pro.data.files import PACKED, TEXT_TYPES, UNUSABLE, suffix_of
from training_pro.data.rows.rows import ROW_TYPES
from training_pro.errors import DataError
from training_pro.progress import OfBytes, Progress, no_progress
from training_pro.record.whole_files import free_disk_bytes, whole_file
from training_pro.words import size_words

MAX_BYTES = 4 << 30
USABLE = (*TEXT_TYPES, *ROW_TYPES)
_NAME_CHARS = 120
_CHUNK_BYTES = 1 << 20
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # Windows has no such files


@dataclass(frozen=True)
class Uploaded:
    """Where the file is now. `known`: it was there already, byte for byte; `taken`: the name that other content has."""

    path: Path
    known: bool = False
    taken: str = ""

    def words(self) -> str:
        """What became of it, as a sentence."""
        name = self.path.name
        if self.known:
            return f"{name} is there already, with the same content."
        beside = f" {self.taken} is there already, with other content, and stays as it is." if self.taken else ""
        return f"Uploaded: {name}.{beside}"


def upload(source: Path, name: str, folder: Path, progress: Progress = no_progress) -> Uploaded:
    """Copy `source`, a file that the browser sent and called `name`, into `folder`.

    Guarantees: no file that is there is changed; content that is there under this name, or one that was numbered after
    it, is not copied again.

    Raises:
        DataError: a name or kind that can't be used, or an empty or too large file.
        RunError: the file can't be written.
        Cancelled: from `progress`.
    """
    wanted = folder / safe_name(name)
    size = source.stat().st_size
    if not size:
        raise DataError(f"{wanted.name} is empty; choose a file with data.")
    if size > MAX_BYTES:
        raise DataError(f"{wanted.name} has {size_words(size)}; at most {size_words(MAX_BYTES)} can be uploaded.")
    folder.mkdir(parents=True, exist_ok=True)
    target = _place(source, wanted)
    if os.path.lexists(target):
        return Uploaded(target, known=True)
    if free_disk_bytes(folder) < 2 * size:
        raise DataError(f"There is not enough room on the disk for {target.name} ({size_words(size)}).")
    with whole_file(target) as temporary:
        with source.open("rb") as sent, temporary.open("wb") as file:
            done = 0
            while chunk := sent.read(_CHUNK_BYTES):
                done += file.write(chunk)
                progress(done, size, OfBytes(f"Copying {target.name}"))
        if os.path.lexists(target):
            raise DataError(f"{target.name} has been made meanwhile. Upload the file again.")
    return Uploaded(target, taken=wanted.name if target != wanted else "")


def _place(source: Path, wanted: Path) -> Path:
    """`wanted`, or the first path numbered after it ("rows (2).csv"), that is free or holds what `source` holds."""
    suffixes = suffix_of(wanted) + (Path(wanted.name).suffix if wanted.name.lower().endswith(PACKED) else "")
    stem = wanted.name.removesuffix(suffixes)
    others = (wanted.with_name(f"{stem} ({number}){suffixes}") for number in count(2))
    return next(path for path in chain((wanted,), others) if not os.path.lexists(path) or _same(source, path))


def _same(source: Path, path: Path) -> bool:
    try:
        return path.is_file() and filecmp.cmp(source, path, shallow=False)
    except OSError:  # it can't be read
        return False


def safe_name(name: str) -> str:
    """`name` without folders and signs that a disk or a list can't take, with its ending in lower case.

    Raises:
        DataError: nothing is left of it, or it is no kind of file that can be used.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = re.sub(r"[^\w. ()\[\]&+,'-]", "_", last).strip(" .")
    suffix = suffix_of(Path(kept))
    if suffix not in USABLE:
        reason = UNUSABLE.get(Path(kept).suffix.lower())
        way_out = f"{reason}." if reason else f"a file must end in one of: {' '.join(USABLE)}."
        raise DataError(f"{last[:80]!r} can't be used: {way_out}")
    packed = kept.lower().endswith(PACKED)
    stem = kept[: len(kept) - len(suffix) - len(PACKED) * packed].strip(" .")
    if not stem.strip("_") or _RESERVED.fullmatch(stem):
        raise DataError(f"{last[:80]!r} is no name for a file; rename it and try again.")
    return f"{stem[:_NAME_CHARS].rstrip(' .')}{suffix}{PACKED if packed else ''}"
