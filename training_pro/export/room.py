"""Whether there is room for an export: nothing is overwritten without --replace; disk and memory are checked first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil

from training_pro.cgroup import allowed_bytes
from training_pro.errors import RunError
from training_pro.record.whole_files import free_disk_bytes
from training_pro.words import size_words

_SPARE = 1.02  # for headers, indexes, a tokenizer


class PlaceTaken(RunError):
    """An earlier result of the same kind is there, and may be replaced where the person says so."""

    def __init__(self, target: Path) -> None:
        self.target = target
        super().__init__(f"{target} already exists. Choose another place, or replace it.", option="--replace")


def check_place(target: Path, replace: bool, is_ours: Callable[[Path], bool]) -> None:
    """Whether `target` may be written. With `replace`, only a result of the same kind of export is replaced.

    Raises:
        PlaceTaken: `replace` would help.
        RunError: something is there that must not be overwritten.
    """
    if not os.path.lexists(target):
        return
    if target.is_symlink():
        raise RunError(f"{target} is a link, and links are not overwritten. Choose another place.")
    if not is_ours(target):
        raise RunError(
            f"{target} already exists and was not made by this command, so it is not overwritten. Choose another place."
        )
    if not replace:
        raise PlaceTaken(target)


def check_space(target: Path, needed_bytes: int) -> None:
    """Raises:
    RunError: the disk of `target` has too little space.
    """
    needed, free = int(needed_bytes * _SPARE), free_disk_bytes(target)
    if free < needed:
        raise RunError(
            f"{target} needs {size_words(needed)}, but its disk has only {size_words(free)} left. "
            "Free some space or choose another place.",
            option="--output PATH",
        )


def check_memory(needed_bytes: int, doing: str) -> None:
    """Checked first, because the system kills a process that takes too much memory.

    Raises:
        RunError: too little memory is free.
    """
    free = free_memory_bytes()
    if free < needed_bytes:
        raise RunError(
            f"{doing} needs about {size_words(needed_bytes)} of memory, but only {size_words(free)} are free. "
            "Unload models, close other programs, or use a larger machine."
        )


def free_memory_bytes() -> int:
    """The machine's, with its swap, or what the container still allows if that is less."""
    return min([psutil.virtual_memory().available + psutil.swap_memory().free, *allowed_bytes()])
