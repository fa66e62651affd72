"""A file from a browser into the datasets folder: a safe name, a known kind, a size limit, nothing replaced."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from training_pro.data.files import PACKED, TEXT_TYPES, UNUSABLE, suffix_of
from training_pro.data.rows.rows import ROW_TYPES
from training_pro.errors import DataError
from training_pro.progress import Progress, no_progress
from training_pro.record.whole_files import free_disk_bytes, whole_file
from training_pro.words import size_words

MAX_BYTES = 4 << 30
USABLE = (*TEXT_TYPES, *ROW_TYPES)
_NAME_CHARS = 120
_CHUNK_BYTES = 1 << 20
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # Windows has no such files


def upload(source: Path, name: str, folder: Path, overwrite: bool = False, progress: Progress = no_progress) -> Path:
    """Copy `source`, a file that the browser sent and called `name`, into `folder`; its path there.

    Raises:
        DataError: a name or kind that can't be used, an empty or too large file, or one that already exists.
        RunError: the file can't be written.
        Cancelled: from `progress`.
    """
    target = folder / safe_name(name)
    size = source.stat().st_size
    if not size:
        raise DataError(f"{target.name} is empty; choose a file with data.")
    if size > MAX_BYTES:
        raise DataError(f"{target.name} has {size_words(size)}; at most {size_words(MAX_BYTES)} can be uploaded.")
    _refuse_taken(target, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    if free_disk_bytes(folder) < 2 * size:
        raise DataError(f"There is not enough room on the disk for {target.name} ({size_words(size)}).")
    with whole_file(target) as temporary:
        with source.open("rb") as sent, temporary.open("wb") as file:
            done = 0
            while chunk := sent.read(_CHUNK_BYTES):
                done += file.write(chunk)
                progress(done, size, f"Copying {target.name}")
        _refuse_taken(target, overwrite)
    return target


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


def _refuse_taken(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise DataError(f"{target.name} already exists; rename it, or choose to overwrite it.", code="exists")
