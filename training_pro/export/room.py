"""Whether what is to be written has a place: nothing is overwritten unasked, and the disk is asked beforehand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil

from training_pro.cgroup import allowed_bytes
from training_pro.errors import RunError
from training_pro.record.whole_files import free_bytes

_SPARE = 1.02  # headers, indexes, a tokenizer


def check_place(target: Path, replace: bool, is_ours: Callable[[Path], bool]) -> None:
    """Whether `target` may be written. With `replace`, what is there must be of the kind that would be written.

    Raises:
        RunError: something is there that stays.
    """
    if not os.path.lexists(target):
        return
    if target.is_symlink():
        raise RunError(f"{target} is a link; nothing is written through it: choose another place.")
    if not is_ours(target):
        raise RunError(f"{target} exists and was not made by such an export; it is left alone: choose another place.")
    if not replace:
        raise RunError(f"{target} exists; choose another place, or ask for it to be replaced.")


def check_space(target: Path, needed_bytes: int) -> None:
    """Raises:
    RunError: the disk of `target` has not that much room.
    """
    needed, free = int(needed_bytes * _SPARE), free_bytes(target)
    if free < needed:
        raise RunError(
            f"{target} needs {size_words(needed)}, and its disk has {size_words(free)} left; "
            "free some space or choose another place."
        )


def check_memory(needed_bytes: int, doing: str) -> None:
    """Asked beforehand, because the system ends a process that takes too much without a word.

    Free is what the machine has with its swap, or what the container still allows of memory if that is less.

    Raises:
        RunError: that much memory is not free.
    """
    free = min([psutil.virtual_memory().available + psutil.swap_memory().free, *allowed_bytes()])
    if free < needed_bytes:
        raise RunError(
            f"{doing} needs some {size_words(needed_bytes)} of memory, and {size_words(free)} are free; "
            "unload models, close other programs, or do it on a larger machine."
        )


def size_words(size_bytes: float) -> str:
    """ "512 kB", "270 MB", "15.2 GB"; decimal, as disks are sold."""
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes >= 1e6 else f"{max(size_bytes, 0) / 1e3:.0f} kB"
