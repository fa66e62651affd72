"""Dataset files: their kinds by their endings, what the datasets folder offers, which file a name means.

Looks through the folder and the folders in it, at most `MOST_LOOKED_AT` files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from training_pro.data.rows.rows import ROW_TYPES
from training_pro.data.rows.table_rows import is_row_folder
from training_pro.errors import DataError
from training_pro.packages import installed
from training_pro.words import natural_key

PLAIN = (".txt", ".text", ".md", ".markdown")
SUBTITLES = (".srt", ".vtt", ".ass", ".ssa")
WEB_PAGES = (".html", ".htm", ".xhtml")
DOCUMENTS = (*WEB_PAGES, ".epub", ".docx", ".pdf")  # that say what encoding they are in
PACKED = ".gz"
TEXT_TYPES = (*PLAIN, *SUBTITLES, *DOCUMENTS)
# What reads a kind of file: the module to import and the package to install.
PACKAGE_OF = {
    **{suffix: ("bs4", "beautifulsoup4") for suffix in (*WEB_PAGES, ".epub")},
    **{suffix: ("pysubs2", "pysubs2") for suffix in SUBTITLES},
    ".docx": ("docx", "python-docx"),
    ".pdf": ("pypdf", "pypdf"),
}
UNUSABLE = {
    ".doc": "save it as .docx or .txt",
    ".odt": "save it as .docx or .txt",
    ".rtf": "save it as .docx or .txt",
    ".pages": "export it as .docx or .txt",
    ".mobi": "convert it to .epub, for example with Calibre",
    ".azw": "convert it to .epub, for example with Calibre",
    ".azw3": "convert it to .epub, for example with Calibre",
    ".fb2": "convert it to .epub, for example with Calibre",
    ".xlsx": "save the sheet as .csv",
    ".xls": "save the sheet as .csv",
    ".ods": "save the sheet as .csv",
    ".zip": "unpack it here",
    ".7z": "unpack it here",
    ".rar": "unpack it here",
    ".tar": "unpack it here",
    ".tgz": "unpack it here",
    ".zst": "unpack it here",
    ".xz": "unpack it here",
    ".bz2": "unpack it here",
}

MOST_LOOKED_AT = 20_000
_MOST_FILES = 100_000  # of a folder of texts
EMPTY = "is empty"
_KEPT_EMPTY = re.compile(r"put-[a-z-]*-here\.txt$")  # what the WebUI keeps its empty folders with


def is_packed(path: Path) -> bool:
    """Whether it is a .gz of something."""
    return path.suffix.lower() == PACKED


def suffix_of(path: Path) -> str:
    """The ending that says what is in the file: that before .gz, in lower case."""
    return Path(path.stem).suffix.lower() if is_packed(path) else path.suffix.lower()


def is_text_file(path: Path) -> bool:
    """Whether its ending is that of a text."""
    return suffix_of(path) in TEXT_TYPES


def missing_package(suffix: str) -> str:
    """The package that has to be installed to read such files; "" for none."""
    module, package = PACKAGE_OF.get(suffix, ("", ""))
    return package if module and not installed(module) else ""


@dataclass(frozen=True)
class DatasetFile:
    """`name` is the path below the datasets folder; `kind` is "text" or "rows"."""

    name: str
    path: Path
    kind: str


@dataclass(frozen=True)
class Unusable:
    """A file of the datasets folder that can't be used as it is, and why, with the way out."""

    name: str
    reason: str


def is_text(path: Path) -> bool:
    """Whether `path` is a text or a folder of texts; else it is rows."""
    return not is_row_folder(path) if path.is_dir() else is_text_file(path)


def list_datasets(folder: Path) -> list[DatasetFile]:
    """Texts, folders with texts in them, and row files in `folder` and below, in natural order.

    Of a folder's texts the folder is listed, not each of them; any of them can be named all the same.
    """
    found: dict[str, DatasetFile] = {}
    for path in _paths_in(folder):
        for file in _offers(path, folder):
            found.setdefault(file.name, file)
    return sorted(found.values(), key=lambda file: natural_key(file.name))


def list_unusable(folder: Path) -> list[Unusable]:
    """What lies in `folder` and can't be used, in natural order, each with the reason."""
    found = []
    for path in _paths_in(folder):
        reason = "" if path.is_dir() else why_unusable(path)
        if reason:
            found.append(Unusable(path.relative_to(folder).as_posix(), reason))
    return sorted(found, key=lambda file: natural_key(file.name))


def why_unusable(path: Path) -> str:
    """Why this file is not offered, or can't be read here; "" for a good one."""
    suffix = suffix_of(path)
    if suffix in TEXT_TYPES:
        missing = missing_package(suffix)
        if missing:
            return f"needs the package {missing}: run pip install -r requirements-files.txt"
        return "" if path.stat().st_size else EMPTY
    if suffix in ROW_TYPES:
        return "" if path.stat().st_size else EMPTY
    known = UNUSABLE.get(path.suffix.lower())
    usual = f"its name ends in none of: {' '.join((*TEXT_TYPES, *ROW_TYPES))}"
    return known or f"{usual}. If it is plain text, rename it to {path.stem}.txt"


def _paths_in(folder: Path) -> Iterator[Path]:
    """Files below `folder`, and folders that are datasets of their own, whose files are not looked at."""
    return islice(_walk(folder), MOST_LOOKED_AT)


def _walk(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()  # a link may lead back to a folder above it
    for place, folders, files in os.walk(folder, followlinks=True):
        here, real = Path(place), os.path.realpath(place)  # Path.resolve raises where links go round
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        inner = sorted(name for name in folders if not name.startswith("."))
        saved = [name for name in inner if is_row_folder(here / name)]
        folders[:] = [name for name in inner if name not in saved]
        yield from (here / name for name in saved)
        yield from (here / name for name in sorted(files) if not _is_no_data(name))


def _is_no_data(name: str) -> bool:
    return name.startswith(".") or _KEPT_EMPTY.match(name) is not None


def _offers(path: Path, root: Path) -> Iterator[DatasetFile]:
    name = path.relative_to(root).as_posix()
    if path.is_dir() or suffix_of(path) in ROW_TYPES:
        yield DatasetFile(name, path, "rows")
    elif is_text_file(path) and path.parent == root:
        yield DatasetFile(name, path, "text")
    elif is_text_file(path):
        for parent in path.relative_to(root).parents:
            if parent.parts:
                yield DatasetFile(parent.as_posix(), root / parent, "text")


def find_dataset(name: str, folder: Path) -> Path:
    """The file or folder that `name` means: a path of its own if absolute, else one below `folder`. Where there is
    none, one that differs in letter case alone is it.

    Raises:
        DataError: it leaves the folder by "..", or there is no such file.
    """
    given = Path(name)
    if ".." in given.parts or "\x00" in name:
        raise DataError(f"The dataset {name[:80]!r} is outside the datasets folder. Put the file into that folder.")
    path = given if given.is_absolute() else folder / given
    try:
        if path.exists():
            return path
    except OSError as error:
        raise DataError(f"The dataset {name[:80]!r} can't be opened ({error.strerror}). Check the name.") from None
    listed = list_datasets(folder)
    same = [file.path for file in listed if file.name.casefold() == name.casefold()]
    if len(same) == 1:
        return same[0]
    known = ", ".join(file.name for file in listed)[:300] or "none yet"
    raise DataError(
        f"There is no text or dataset {name[:200]!r} in {folder}. Choose another file or upload it again. "
        f"The files there: {known}."
    )


def text_files_of(path: Path) -> list[Path]:
    """The file itself, or all text files in the folder and the folders in it, in natural order.

    Raises:
        DataError: a folder without texts.
    """
    if not path.is_dir():
        return [path]
    found = [file for file in path.rglob("*") if is_text_file(file) and not _hidden(file, path)][:_MOST_FILES]
    if not found:
        raise DataError(f"The folder {path.name} holds no text. Put texts into it or choose a file.")
    return sorted(found, key=lambda file: natural_key(file.relative_to(path).as_posix()))


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts) or not file.is_file()
