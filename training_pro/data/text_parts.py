"""The texts that a file or folder stands for, as plain UTF-8 files with the names that people know them by.

Plain text is read where it lies. What must be converted (HTML, EPUB, Word, PDF, subtitles, .gz) is written once under
`folder`, named after its content, and taken from there the next time. The first step on a block's way.
"""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from training_pro.data.documents.epub import epub_text
from training_pro.data.documents.extracted import Extracted
from training_pro.data.documents.html import html_text
from training_pro.data.documents.pdf import pdf_text
from training_pro.data.documents.subtitles import subtitle_text
from training_pro.data.documents.word import word_text
from training_pro.data.encodings import LOOKED_AT_BYTES, guessed, not_utf8
from training_pro.data.files import PACKAGE_OF, PLAIN, SUBTITLES, is_packed, missing_package, suffix_of, text_files_of
from training_pro.data.fingerprint import digest, files_digest
from training_pro.errors import DataError
from training_pro.progress import Progress, no_progress
from training_pro.record.whole_files import whole_file
from training_pro.text.reading import clean_text
from training_pro.words import reason_of

CONVERTER = 3  # raised whenever what comes out of a document changes
MOST_UNPACKED_BYTES = 8 << 30
_NAME_CHARS = 80


@dataclass(frozen=True)
class TextPart:
    """A text: `path` of a plain UTF-8 file, `name` for people, `removed` what its conversion left out."""

    path: Path
    name: str
    removed: Mapping[str, int] = field(default_factory=dict)


def text_parts(path: Path, name: str, folder: Path, progress: Progress = no_progress) -> list[TextPart]:
    """The texts of `path`, which messages call `name`; what is converted goes under `folder`.

    Raises:
        DataError: no text there, or a document that can't be read.
        Cancelled: from `progress`.
    """
    files = text_files_of(path)
    parts = []
    for done, file in enumerate(files):
        shown = f"{name}/{file.relative_to(path).as_posix()}" if path.is_dir() else name
        if suffix_of(file) in PLAIN and not is_packed(file):
            parts.append(TextPart(file, shown))
            continue
        progress(done, len(files), f"Reading {shown}")
        parts.append(_converted(file, shown, folder))
    return parts


def _converted(file: Path, name: str, folder: Path) -> TextPart:
    key = digest(str(CONVERTER), suffix_of(file), files_digest([file]))
    place = folder / key
    target, facts = place / f"{file.stem[:_NAME_CHARS]}.txt", place / "removed.json"
    try:
        removed = json.loads(facts.read_text(encoding="utf-8"))
        if target.is_file():
            return TextPart(target, name, removed)
    except (OSError, ValueError):
        pass  # not there yet, or not whole
    found = extracted(file, name)
    place.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as temporary:
        temporary.write_bytes(found.text.encode("utf-8", "replace"))
    with whole_file(facts) as temporary:
        temporary.write_text(json.dumps(dict(found.removed)), encoding="utf-8")
    return TextPart(target, name, dict(found.removed))


def extracted(file: Path, name: str) -> Extracted:
    """The text of a document of any of the kinds, and what was left out.

    Raises:
        DataError: it can't be read, holds no text, or a package that reads it is missing.
    """
    suffix = suffix_of(file)
    missing = missing_package(suffix)
    if missing:
        raise DataError(
            f"{name} needs the package {missing} to be read; run `pip install -r requirements-files.txt` in the "
            "environment of this program."
        )
    if suffix in PACKAGE_OF and is_packed(file):
        raise DataError(f"{name} is packed twice. Unpack the .gz first.")
    found = _read(file, suffix, name)
    if not found.text.strip():
        raise DataError(f"{name} holds no text. Choose a file with some.")
    return found


def _read(file: Path, suffix: str, name: str) -> Extracted:
    if suffix == ".epub":
        return epub_text(file)
    if suffix == ".docx":
        return word_text(file)
    if suffix == ".pdf":
        return pdf_text(file)
    data = unpacked_bytes(file)
    if suffix in (".html", ".htm", ".xhtml"):
        return html_text(data)
    try:
        text = clean_text(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise not_utf8(name, error.start, guessed(data[:LOOKED_AT_BYTES])) from None
    return subtitle_text(text, name) if suffix in SUBTITLES else Extracted(text)


def unpacked_bytes(file: Path) -> bytes:
    """What the file holds, unpacked where it is a .gz.

    Raises:
        DataError: it can't be read, is broken, or unpacks to an absurd size.
    """
    try:
        if not is_packed(file):
            return file.read_bytes()
        with gzip.open(file) as packed:
            data = packed.read(MOST_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or reason_of(error, 120)
        raise DataError(f"{file.name} can't be read ({reason}); check the file, or download it again.") from None
    if len(data) > MOST_UNPACKED_BYTES:
        raise DataError(f"{file.name} unpacks to more than {MOST_UNPACKED_BYTES:,} bytes; unpack it by hand.")
    return data


def forget_oldest(folder: Path, most: int = 200, most_bytes: int = 2 << 30) -> None:
    """Keep what was converted last, so that the folder does not grow for ever."""
    with suppress(OSError):
        places = sorted(folder.iterdir(), key=lambda place: place.stat().st_mtime, reverse=True)
        room = most_bytes
        for number, place in enumerate(places):
            room -= sum(file.stat().st_size for file in place.iterdir())
            if number >= most or (room < 0 and number):
                shutil.rmtree(place, ignore_errors=True)
