"""Text files as clean text: UTF-8 only, no byte order mark, every line end a line feed; nothing else changes.

Costs one pass over the bytes and one copy of the text. The first step on a block's way: file -> sections ->
sentences -> blocks -> token ids.
"""

from __future__ import annotations

import re
from pathlib import Path

from training_pro.errors import DataError

_DIGITS = re.compile(r"(\d+)")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Sorts names as people do: "part 2" before "part 10"."""
    parts = _DIGITS.split(name.casefold())
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def text_files(path: Path) -> list[Path]:
    """The file itself, or the `.txt` files directly in the folder, in natural order.

    Raises:
        DataError: `path` doesn't exist, or is a folder without text files.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"There is no text file or folder {path}; check the name, or choose another from the list.")
    files = [file for file in path.iterdir() if file.suffix.lower() == ".txt" and file.is_file()]
    if not files:
        raise DataError(f"The folder {path} holds no .txt file; put your texts there or choose a file.")
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
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}); check the path and its permissions.") from None
    try:
        return clean_text(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise not_utf8(path, error.start, raw[error.start]) from None


def not_utf8(path: Path, offset_bytes: int, byte: int) -> DataError:
    """The refusal of a file whose byte at `offset_bytes` is not UTF-8."""
    return DataError(
        f"{path} is not UTF-8: byte {offset_bytes} is 0x{byte:02x}; "
        "open it in an editor and save it with the encoding UTF-8."
    )
