"""Looks into a safetensors file without loading it: its header tells whether the file is whole.

The library reads the header alone (a few kilobytes), so a list of runs can afford it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training_pro.errors import RunError
from training_pro.words import reason_of

_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")


@dataclass(frozen=True)
class TensorPlace:
    """One tensor's kind and shape."""

    dtype: str
    shape: tuple[int, ...]


def tensor_places(path: Path) -> dict[str, TensorPlace]:
    """The tensors of a safetensors file by name.

    Guarantees: the library loads the file: every tensor lies inside it and has the size of its shape.

    Raises:
        RunError: not such a file, truncated, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(_PICKLE_STARTS) and not 0 < int.from_bytes(start, "little") <= path.stat().st_size:
            raise RunError(f"{path} is a pickle, not safetensors, and is not opened. Get the LoRA as safetensors.")
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            return {name: TensorPlace(s.get_dtype(), tuple(s.get_shape())) for name, s in slices.items()}
    except SafetensorError as error:
        raise RunError(
            f"{path} is truncated, damaged or not a safetensors file ({reason_of(error)}). Download it again."
        ) from error
    except OSError as error:
        raise RunError(f"{path} can't be read ({error.strerror or reason_of(error)}). Check the file.") from error
