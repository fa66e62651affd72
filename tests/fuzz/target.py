"""A reader of what comes from outside, as a function that any bytes may be given to, and what must become of them.

A target is ``bytes -> None``: it raises where the reader broke its promise. It is called with its seeds and with
hypothesis's inputs in `make test`, and by atheris, which watches what code an input reaches, in `make stress`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.attack.refusing import unclear
from training_pro.errors import SettingsError, UserError

T = TypeVar("T")
BREAK = b"\n---\n"  # between the files of an input that is more than one
_IN_MEMORY = Path(os.environ.get("FUZZ_ROOM", "/dev/shm"))


@dataclass(frozen=True)
class Target:
    """`check` raises for an input that was not answered as promised; `seeds` are inputs worth changing."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


TARGETS: dict[str, Target] = {}


def target(name: str, *seeds: bytes) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    """Enters the function below it into `TARGETS`."""

    def entered(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
        assert name not in TARGETS
        TARGETS[name] = Target(check, seeds)
        return check

    return entered


def answered(make: Callable[[], T]) -> T | None:
    """What `make` makes; None where it refuses as it should: a `UserError` with one clear sentence for each fault."""
    try:
        return make()
    except SettingsError as error:
        wrong = [unclear(str(fault)) for fault in error.faults] or ["no sentence"]
    except UserError as error:
        wrong = [unclear(str(error))]
    assert not any(wrong), wrong
    return None


@contextmanager
def folder_with(files: Mapping[str, bytes], may_add: str = "") -> Iterator[Path]:
    """A folder that holds these files; nothing else is in it afterwards, but for what `may_add` (a pattern) matches."""
    folder = Path(tempfile.mkdtemp(dir=_room()))
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    try:
        yield folder
        left = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        added = {name for name in left if name not in files and not (may_add and left[name].match(may_add))}
        assert not added, f"written: {added}"
        changed = [name for name, content in files.items() if name not in left or left[name].read_bytes() != content]
        assert not changed, f"changed: {changed}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def in_parts(content: bytes, count: int) -> list[bytes]:
    """The input cut at `BREAK` into so many parts; those that are missing are empty."""
    parts = content.split(BREAK, count - 1)
    return parts + [b""] * (count - len(parts))


def as_text(content: bytes) -> str:
    """Any bytes as some text, which may have half surrogates in it."""
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return content.decode("utf-8", "replace")


_rooms: list[Path] = []


def _room() -> Path:
    """This process's own, in memory where there is such a place."""
    if not _rooms:
        made = tempfile.mkdtemp(prefix="fuzz-", dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None)
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        _rooms.append(Path(made))
    return _rooms[0]
