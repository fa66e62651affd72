"""Text files as clean text: UTF-8 only, no byte order mark, every line end a line feed; nothing else changes.

Costs one pass over the bytes, a piece at a time; `read_text` also one copy of the text. The first step on a block's
way: file -> sections -> sentences -> blocks -> token ids.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from training_pro.errors import DataError
from training_pro.progress import OfBytes, Progress, no_progress
from training_pro.words import natural_key

_READ_BYTES = 1 << 20
_LOOKED_AT_PAIRS = 32
_MOSTLY = 0.7  # quotation marks and dashes are none of the Latin letters
_SHIFT = b"\x1b$"
_SHIFTED = re.compile(rb"\x1b\$(?:[@AB]|[()][A-Z])")


class NotUtf8(DataError):
    """A file that is in another encoding: not UTF-8 from byte `offset` of `path` on."""

    def __init__(self, text: str, path: Path, offset: int) -> None:
        super().__init__(text, code="not-utf8")
        self.path, self.offset = path, offset


def text_files(path: Path) -> list[Path]:
    """The file itself, or the `.txt` files directly in the folder, in natural order.

    Raises:
        DataError: `path` doesn't exist, or is a folder without text files.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"There is no text file or folder {path}. Check the name, or choose another from the list.")
    files = [file for file in path.iterdir() if file.suffix.lower() == ".txt" and file.is_file()]
    if not files:
        raise DataError(f"The folder {path} holds no .txt file. Put your texts into it or choose a file.")
    return sorted(files, key=lambda file: natural_key(file.name))


def clean_text(text: str) -> str:
    """`text` with CRLF and CR as line feeds and without a byte order mark at its start."""
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def read_text(path: Path) -> str:
    """The file's text, cleaned.

    Raises:
        DataError: the file can't be read or is not UTF-8; names the byte offset and the way out.
    """
    return b"".join(cleaned_pieces(path)).decode("utf-8")


def cleaned_pieces(file: Path, progress: Progress = no_progress) -> Iterator[bytes]:
    """The file's bytes in pieces, checked and cleaned.

    Raises:
        DataError: the file can't be read or is not UTF-8; names the byte offset and the way out.
    """
    try:
        size_bytes = file.stat().st_size
        with file.open("rb") as stream:
            yield from _cleaned(file, iter(lambda: stream.read(_READ_BYTES), b""), size_bytes, progress)
    except OSError as error:
        raise DataError(f"{file} can't be read ({error.strerror}); check the path and its permissions.") from None


def _cleaned(file: Path, pieces: Iterable[bytes], size_bytes: int, progress: Progress) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    done_bytes, after_return, first = 0, False, True
    for raw in pieces:
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(raw)
        except UnicodeDecodeError as error:
            raise _not_utf8(file, done_bytes - waiting + error.start, error.object[error.start]) from None
        done_bytes += len(raw)
        progress(done_bytes, size_bytes, OfBytes(f"Reading {file.name}"))
        if first and wide_order(raw):
            raise NotUtf8(f"{file} is UTF-16. Open it in an editor and save it with the encoding UTF-8.", file, 0)
        if is_shifted(raw):
            at = done_bytes - len(raw) + raw.index(_SHIFT)
            raise NotUtf8(f"{file} is ISO-2022: byte {at} shifts to other letters. Save it with UTF-8.", file, at)
        piece = raw.removeprefix(codecs.BOM_UTF8) if first else raw
        first = False
        if after_return and piece.startswith(b"\n"):
            piece = piece[1:]
        after_return = raw.endswith(b"\r")
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield piece
    left, _ = decoder.getstate()
    if left:
        raise _not_utf8(file, done_bytes - len(left), left[0])


def is_shifted(data: bytes) -> bool:
    """Whether these are bytes of ISO-2022, which is ASCII with escapes that shift to other letters."""
    return _SHIFT in data and _SHIFTED.search(data) is not None


def wide_order(data: bytes) -> str:
    """ "le" or "be" where nearly every other byte is NUL, as in UTF-16 of Latin letters without a mark at its start;
    that can be valid UTF-8. "" for other bytes."""
    halves = {"be": data[: 2 * _LOOKED_AT_PAIRS : 2], "le": data[1 : 2 * _LOOKED_AT_PAIRS : 2]}
    for order, other in (("be", "le"), ("le", "be")):
        if len(data) >= 4 and 0 not in halves[other] and halves[order].count(0) >= _MOSTLY * len(halves[order]):
            return order
    return ""


def _not_utf8(path: Path, offset_bytes: int, byte: int) -> NotUtf8:
    return NotUtf8(
        f"{path} is not UTF-8: byte {offset_bytes} is 0x{byte:02x}; "
        "open it in an editor and save it with the encoding UTF-8.",
        path,
        offset_bytes,
    )
