"""Runs moved out of the way and back: kept aside by Override, or deleted with undo.

Both live under ``<loras>/.training_pro-np``, a name no host's menu lists and on the same disk, so that a
move is one rename however large the run is: it happened or it did not.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.names import run_folder
from training_pro.record.state import read_state, standing
from training_pro.record.whole_files import HIDDEN_ENDING, make_folder, move_folder, sweep_temporaries
from training_pro.words import utc_stamp

ASIDE_FOLDER = f".training_pro{HIDDEN_ENDING}"
Why = Literal["kept", "deleted"]
_MOVED = re.compile(r"(.+)--(\d{8}T\d{6}Z)(?:-\d+)?", re.DOTALL)


@dataclass(frozen=True)
class AsideRun:
    """A run that was moved aside: where it is, what it was called, why and when (UTC, ISO 8601)."""

    path: Path
    name: str
    why: Why
    moved: str


def keep_aside(folders: Folders, run: Path) -> Path:
    """Override: move `run` aside, not away; gives its new place, from which `put_back` restores it.

    Raises:
        RunError: `run` is no run of `folders.loras`, is training, or can't be moved.
    """
    return _move_aside(folders, run, "kept")


def delete_run(folders: Folders, run: Path) -> Path:
    """Take `run` off the list; gives its new place, from which `put_back` undoes it.

    Raises:
        RunError: as `keep_aside`.
    """
    return _move_aside(folders, run, "deleted")


def put_back(folders: Folders, aside: Path) -> Path:
    """Give a run that was kept aside or deleted its name again.

    Raises:
        RunError: it is not there any more, or its name is taken.
    """
    entry = _entry(folders, aside)
    target = folders.loras / entry.name
    if os.path.lexists(target):
        raise RunError(f'There is a LoRA "{entry.name}" again; rename that one first, then undo.')
    return move_folder(aside, target)


def rename_run(folders: Folders, run: Path, name: str) -> Path:
    """Call `run` something else; gives its new place.

    Raises:
        RunError: a name that can't be used or is taken, a run that is training, or a disk that refuses.
    """
    _check_movable(folders, run)
    target = run_folder(folders, name)
    if os.path.lexists(target):
        raise RunError(f'There is a LoRA "{target.name}" already; choose another name.')
    return move_folder(run, target)


def aside_runs(folders: Folders) -> list[AsideRun]:
    """All runs kept aside or deleted, the latest first."""
    found = [
        entry for why in ("kept", "deleted") for path in _children(_place(folders, why)) if (entry := _parsed(path))
    ]
    return sorted(found, key=lambda entry: entry.moved, reverse=True)


def check_inside(folders: Folders, run: Path) -> None:
    """Whether `run` is a real folder directly in the LoRA folder.

    Raises:
        RunError: it is elsewhere, a link, hidden, or not there.
    """
    inside = run.parent == folders.loras and run.name not in ("", ".", "..") and not run.name.startswith(".")
    if not inside:
        raise RunError(f"{run} is not in the LoRA folder {folders.loras}; choose a run from the list.")
    if run.is_symlink():
        raise RunError(f"{run} is a link, and links are left alone. Use the folder that it points to.")
    if not run.is_dir():
        raise RunError(f'There is no LoRA "{run.name}" any more; refresh the list.')


def _move_aside(folders: Folders, run: Path, why: Why) -> Path:
    _check_movable(folders, run)
    place = _place(folders, why)
    stamp = utc_stamp()
    if place.is_symlink() or place.parent.is_symlink():
        raise RunError(f"{place} is a link, and nothing is moved through links. Put a real folder there.")
    make_folder(place)
    sweep_temporaries(run)
    target = place / f"{run.name}--{stamp}"
    count = 1
    while os.path.lexists(target):
        count += 1
        target = place / f"{run.name}--{stamp}-{count}"
    return move_folder(run, target)


def _check_movable(folders: Folders, run: Path) -> None:
    check_inside(folders, run)
    try:
        state = read_state(run)
    except RunError:
        state = None  # a broken run must be removable
    if state is not None and standing(run, state) in ("running", "running elsewhere"):
        raise RunError(f'The LoRA "{run.name}" is being trained; interrupt the run first.')


def _place(folders: Folders, why: str) -> Path:
    return folders.loras / ASIDE_FOLDER / why


def _children(place: Path) -> list[Path]:
    try:
        return [path for path in place.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _parsed(path: Path) -> AsideRun | None:
    match = _MOVED.fullmatch(path.name)
    if match is None:
        return None
    day, clock = match[2][:8], match[2][9:15]
    moved = f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}+00:00"
    return AsideRun(path, match[1], "kept" if path.parent.name == "kept" else "deleted", moved)


def _entry(folders: Folders, aside: Path) -> AsideRun:
    entry = next((entry for entry in aside_runs(folders) if entry.path == aside), None)
    if entry is None:
        raise RunError(f"{aside.name[:100]!r} is no run that was moved aside; refresh the list.")
    return entry
