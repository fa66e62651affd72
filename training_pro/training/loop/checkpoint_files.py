"""Checkpoint and adapter files written whole, and what their faults mean to a person.

torch and safetensors say "disk full" in their own ways, not as an OSError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from training_pro.errors import RunError
from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory

_TORCH_WRITER = ("pytorchstreamwriter", "inline_container", "file write failed", "iostream error", "parent directory")


@contextmanager
def said_plainly(path: Path) -> Iterator[None]:
    """Turns what torch's and safetensors' writers raise into the sentence for a write that failed.

    Raises:
        RunError: in place of theirs.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error) or not _is_write_fault(error):
            raise
        reason = str(error).strip().split("\n")[0][:200]
        raise RunError(f"{path} couldn't be written ({reason}); free some space on the disk and try again.") from error


def _is_write_fault(error: Exception) -> bool:
    text = str(error).lower()
    return type(error).__name__ == "SafetensorError" or any(sign in text for sign in _TORCH_WRITER)


def twice_if_short_of_memory(write: Callable[[], None]) -> bool:
    """Write; should memory run out, free some and write once more. Whether it was written."""
    for _ in (1, 2):
        try:
            write()
            return True
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        free_memory()
    return False
