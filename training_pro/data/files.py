"""Dataset files by name: what the host's datasets folder offers, and which file a name means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from training_pro.data.rows.rows import ROW_TYPES
from training_pro.errors import DataError
from training_pro.words import natural_key


@dataclass(frozen=True)
class DatasetFile:
    """`name` is the path below the datasets folder; `kind` is "text" or "rows"."""

    name: str
    path: Path
    kind: str


_NO_DATA = re.compile(r"\.|put-[a-z-]*-here\.txt$")  # the second: what the WebUI keeps its empty folders with


def list_datasets(folder: Path) -> list[DatasetFile]:
    """Text files, folders of text files, and row files at the first level of `folder`, in natural order."""
    if not folder.is_dir():
        return []
    found = (_dataset_at(path) for path in folder.iterdir() if not _NO_DATA.match(path.name))
    return sorted((file for file in found if file is not None), key=lambda file: natural_key(file.name))


def _dataset_at(path: Path) -> DatasetFile | None:
    if path.is_dir():
        return DatasetFile(path.name, path, "text") if any(path.glob("*.txt")) else None
    suffix = path.suffix.lower()
    if suffix == ".txt":
        return DatasetFile(path.name, path, "text")
    return DatasetFile(path.name, path, "rows") if suffix in ROW_TYPES else None


def find_dataset(name: str, folder: Path) -> Path:
    """The file or folder that `name` means: a path of its own if absolute, else one below `folder`.

    Raises:
        DataError: it leaves the folder by "..", or there is no such file.
    """
    given = Path(name)
    if ".." in given.parts or "\x00" in name:
        raise DataError(f"The dataset {name[:80]!r} leads out of the datasets folder; put the file there.")
    path = given if given.is_absolute() else folder / given
    try:
        if path.exists():
            return path
    except OSError as error:
        raise DataError(f"The dataset {name[:80]!r} can't be opened ({error.strerror}); check the name.") from None
    known = ", ".join(file.name for file in list_datasets(folder))[:300] or "none yet"
    raise DataError(f"There is no text or dataset {name[:200]!r} in {folder}; the files there: {known}.")
