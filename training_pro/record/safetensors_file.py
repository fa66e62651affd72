"""Looks into a safetensors file without loading it: the header is enough to know that the file is whole.

Reads a few kilobytes, so a list of runs can afford it. Format: 8 bytes of header
length (little-endian), the header as JSON, then the tensors one behind the other.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from training_pro.errors import RunError
from training_pro.settings import without_twins

_MOST_HEADER_BYTES = 100_000_000  # the format's own limit
_ITEM_BITS = {
    "F64": 64, "I64": 64, "U64": 64, "C64": 64,
    "F32": 32, "I32": 32, "U32": 32,
    "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8,
}  # fmt: skip
_MOST_DIGITS = 18  # of a number that fits into 64 bits
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")


@dataclass(frozen=True)
class TensorPlace:
    """One tensor's kind and shape."""

    dtype: str
    shape: tuple[int, ...]


def tensor_places(path: Path) -> dict[str, TensorPlace]:
    """The tensors of a safetensors file by name.

    Guarantees: every tensor lies inside the file, has the size of its shape and its bytes to itself.

    Raises:
        RunError: not such a file, truncated, or damaged.
    """
    try:
        header, data_bytes = _header(path)
    except OSError as error:
        raise RunError(f"{path} can't be read ({error.strerror}); check the file.") from error
    places, spans = {}, []
    for name, entry in header.items():
        if name != "__metadata__":
            places[name], span = _place(path, name, entry)
            spans.append(span)
    end = _end_of_row(path, spans)
    if end != data_bytes:
        word = "truncated" if data_bytes < end else "damaged"
        raise RunError(f"{path} is {word} (it holds {data_bytes:,} of {end:,} bytes of weights); get it anew.")
    return places


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and how many bytes of weights follow it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start.startswith(_PICKLE_STARTS) and not 0 < int.from_bytes(start, "little") <= size:
            raise RunError(f"{path} is a pickle, not safetensors, and is not opened; get the LoRA as safetensors.")
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length < 2 or length > min(size - 8, _MOST_HEADER_BYTES):
            raise RunError(f"{path} is truncated or no safetensors file ({size:,} bytes); get it anew.")
        raw = file.read(length)
    header = _parsed(raw)
    if header is None:
        raise RunError(f"{path} is no safetensors file: its header is not the format's JSON; get it anew.")
    return header, size - 8 - length


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """The header's object; None where the library that loads the weights, stricter than Python's JSON, takes none."""
    try:
        header = json.loads(raw.decode(), object_pairs_hook=without_twins, parse_int=_whole, parse_constant=_nothing)
        json.dumps(header, ensure_ascii=False).encode()  # no half surrogates
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict):
        return None
    notes = header.get("__metadata__")
    texts = isinstance(notes, dict) and all(isinstance(value, str) for value in notes.values())
    return header if texts or notes is None else None


def _whole(text: str) -> int:
    """Raises:
    ValueError: no number that counts bytes.
    """
    if text == "-0" or len(text) > _MOST_DIGITS:
        raise ValueError(f"{text[:20]} counts nothing")
    return int(text)


def _nothing(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _end_of_row(path: Path, spans: list[tuple[int, int]]) -> int:
    """Where the last tensor ends, if each begins where the one before ends, as the format has it."""
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise RunError(f"{path} is damaged: its tensors overlap or leave gaps (at byte {end:,}); get it anew.")
        end = stop
    return end


def _place(path: Path, name: str, entry: Any) -> tuple[TensorPlace, tuple[int, int]]:
    try:
        dtype, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in (*shape, start, stop))
        fits = whole and stop - start == math.prod(shape) * _ITEM_BITS[dtype] // 8
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise RunError(f'{path} is damaged at the tensor "{name[:100]}"; get it anew.')
    return TensorPlace(dtype, shape), (start, stop)
