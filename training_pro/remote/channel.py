"""The folder through which a run is watched and steered: its status, commands to it, its answers.

It is beside the run's folder, so that it exists before the run has a folder. Each process that trains makes a new one,
so commands for an earlier run never reach the next. Only its owner may write there. A channel appears by a rename, with
its first status in it, and so does every file in it: readers see all of it or nothing. Channels are put in place under
a lock. Whoever removes one checks it again under that lock, because a new one may have replaced it in the meantime.
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
from training_pro.record.whole_files import HIDDEN_ENDING, remove_folder, rename, temporary_beside, write_fault
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
    """All channels below the LoRA folder, of runs in progress and of ended ones."""
    if not loras.is_dir():
        return []
    return sorted(path for path in loras.iterdir() if _is_channel(path) and path.is_dir() and not path.is_symlink())


def read_live(channel: Path) -> Live | None:
    """The last status of the run; None if there is none, or none that is valid."""
    values = read_small(channel / STATUS_FILE, 1 << 20)
    try:
        return value_from(Live, values) if values is not None else None
    except (ValueError, UserError):  # the latter: settings of another version
        return None


def open_channel(channel: Path, status: dict[str, Any]) -> str:
    """Make the channel for this process, with its first status; the channel of a process that is gone is removed.

    Returns the owner's token for `close_channel`.

    Guarantees: no reader and no sweep finds it without that status; nothing is left if it fails.

    Raises:
        BusyError: another running process has it.
        RunError: the disk refuses.
    """
    _refuse_living(channel)
    building, token = temporary_beside(channel), secrets.token_hex(8)
    try:
        building.mkdir(mode=0o700)
        for name in (COMMANDS, ANSWERS):
            (building / name).mkdir(mode=0o700)
        (building / OWNER_FILE).write_text(token, encoding="ascii")
        put(building / STATUS_FILE, status)
        with alone_in(channel.parent, _LOCK):
            _refuse_living(channel)
            if os.path.lexists(channel):
                remove_folder(channel)
            rename(building, channel)  # refused where another process was quicker and there are no locks
    except OSError as error:
        raise write_fault(channel, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return token


def sweep(loras: Path) -> None:
    """Remove the channels of runs that are dead or have ended."""
    for channel in channels(loras):
        close_channel(channel)


def close_channel(channel: Path, token: str = "") -> None:
    """Remove the channel if `token` is its owner's; without one, if its run is dead or has ended.

    What the disk refuses, or another process is reading, waits for the next sweep.
    """
    with suppress(RunError):
        if _may_go(channel, token):
            with alone_in(channel.parent, _LOCK):
                if _may_go(channel, token):
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


def _may_go(channel: Path, token: str) -> bool:
    if not channel.is_dir() or channel.is_symlink():
        return False
    if token:
        return owner(channel) == token
    live = read_live(channel)
    return live is None or not live.alive(channel)


def owner(channel: Path) -> str:
    """The token of the process that made it; "" where it can't be read."""
    with suppress(OSError, ValueError):
        return (channel / OWNER_FILE).read_text(encoding="ascii")
    return ""


def _is_channel(path: Path) -> bool:
    return path.name.startswith(_PREFIX) and path.name.endswith(HIDDEN_ENDING)
