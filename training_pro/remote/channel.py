"""The folder through which a run is watched and steered: its status, commands to it, its answers.

It lies beside the run's folder, so that it is there before the run has one, and is made again by each process that
trains: what was said to a dead run is never heard by the next. Only its owner may write there. It takes its place by
a rename with its first status in it, and everything put there later does so too: all is read whole or not at all.
Whoever takes a channel away looks at it once more under a lock, under which alone channels are put in place: a dead
one may have been replaced since it was last looked at.
Nothing is forced to the disk: a machine that loses power has lost the run's process too.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from training_pro.errors import BusyError, RunError, UserError
from training_pro.record.lock import alone_in
from training_pro.record.process import this_process
from training_pro.record.whole_files import HIDDEN_ENDING, remove_folder, temporary_beside, write_fault
from training_pro.remote.snapshot import Live
from training_pro.values import value_from

STATUS_FILE, OWNER_FILE = "status.json", "owner"
COMMANDS, ANSWERS = "commands", "answers"
MOST_BYTES = 65536  # of a command; a prompt is the longest thing in it
_PREFIX = ".live-"
_LOCK = "channels"


def channel_folder(run: Path) -> Path:
    """The channel of the run whose folder is `run`; no menu of the host lists it."""
    return run.with_name(f"{_PREFIX}{run.name}{HIDDEN_ENDING}")


def channels(loras: Path) -> list[Path]:
    """All channels below the LoRA folder, of living and of dead runs."""
    if not loras.is_dir():
        return []
    return sorted(path for path in loras.iterdir() if _is_channel(path) and path.is_dir() and not path.is_symlink())


def read_live(channel: Path) -> Live | None:
    """What the run last said of itself; None if there is nothing, or nothing valid."""
    values = read_small(channel / STATUS_FILE, 1 << 20)
    try:
        return value_from(Live, values) if values is not None else None
    except (ValueError, UserError):  # the latter: settings of another version
        return None


def open_channel(channel: Path, status: dict[str, Any]) -> str:
    """Make the channel for the process that asks, with its first status; what a dead one left is taken away.

    What comes back is the owner's word for `close_channel`.

    Guarantees: no reader, nor a sweep, finds it without that status; nothing is left where it fails.

    Raises:
        BusyError: a living process has it.
        RunError: the disk refuses.
    """
    _refuse_living(channel)
    building, word = temporary_beside(channel), secrets.token_hex(8)
    try:
        building.mkdir(mode=0o700)
        for name in (COMMANDS, ANSWERS):
            (building / name).mkdir(mode=0o700)
        (building / OWNER_FILE).write_text(word, encoding="ascii")
        put(building / STATUS_FILE, status)
        with alone_in(channel.parent, _LOCK):
            _refuse_living(channel)
            if os.path.lexists(channel):
                remove_folder(channel)
            building.rename(channel)  # refused where another process was quicker and there are no locks
    except OSError as error:
        raise write_fault(channel, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return word


def sweep(loras: Path) -> None:
    """Remove the channels of runs that are dead or have ended."""
    for channel in channels(loras):
        close_channel(channel)


def close_channel(channel: Path, word: str = "") -> None:
    """Remove the channel if its run is dead or has ended, or if `word` is its owner's.

    What the disk refuses, or another process is reading, waits for the next sweep.
    """
    with suppress(RunError):
        if _may_go(channel, word):
            with alone_in(channel.parent, _LOCK):
                if _may_go(channel, word):
                    remove_folder(channel)


def put(path: Path, values: dict[str, Any]) -> None:
    """Put JSON at `path` in one step.

    Raises:
        OSError: the disk refuses; what was there is untouched.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.writing")
    try:
        temporary.write_text(json.dumps(values, ensure_ascii=True), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_small(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any] | None:
    """The JSON object in `path`; None where there is none, or it is no plain small file."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            data = file.read(most_bytes + 1)
        values = json.loads(data) if len(data) <= most_bytes else None
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def command_name() -> str:
    """A name after all names given before, on this machine."""
    return f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"


def _refuse_living(channel: Path) -> None:
    before = read_live(channel)
    if before is not None and before.alive(channel) and before.process != this_process():
        raise BusyError(
            f'The run "{before.name}" is in progress in another process. Wait until it has finished, or interrupt it.'
        )


def _may_go(channel: Path, word: str) -> bool:
    if not channel.is_dir() or channel.is_symlink():
        return False
    if word and _owner(channel) == word:
        return True
    live = read_live(channel)
    return live is None or not live.alive(channel)


def _owner(channel: Path) -> str:
    with suppress(OSError, ValueError):
        return (channel / OWNER_FILE).read_text(encoding="ascii")
    return ""


def _is_channel(path: Path) -> bool:
    return path.name.startswith(_PREFIX) and path.name.endswith(HIDDEN_ENDING)
