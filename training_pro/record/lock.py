"""Locks between processes: on a run's folder while it is trained, and short ones around the change of a file.

They are the system's own, on small files, so that they end with their process, killed or not, and a file left over
blocks nobody. A folder's lock is under ``<loras>/.training_pro-np``, because the folder itself may be moved aside and
made again while it is held. Each costs some tens of microseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from training_pro.errors import RunError
from training_pro.record.aside import ASIDE_FOLDER
from training_pro.record.whole_files import write_fault

logger = logging.getLogger(__name__)

LOCKS_FOLDER = "locks"
_MOST_S = 10.0  # such a change takes milliseconds; whoever holds the lock longer has been halted


class FolderLock:
    """Held from `lock_folder` on until `release` or the end of the process."""

    def __init__(self, lock: filelock.BaseFileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        """Let go; a second call does nothing."""
        self._lock.release(force=True)


def lock_folder(folder: Path) -> FolderLock:
    """Keep all others from training into the run `folder`, which may or may not exist yet.

    Raises:
        RunError: another process, or another session of this one, holds it; or no lock can be written.
    """
    path = _lock_file(folder.parent, folder.name)
    lock = filelock.FileLock(path, timeout=0, thread_local=False)
    held = (
        f'The run "{folder.name}" is in progress in another process. Wait until it has finished, or interrupt it there.'
    )
    try:
        _take(lock, path, held)
    except OSError as error:
        raise write_fault(path, error) from error
    return FolderLock(lock)


@contextmanager
def alone_in(loras: Path, doing: str) -> Iterator[None]:
    """While this is held, no other process does what `doing` names in the LoRA folder; for work of milliseconds.

    Raises:
        RunError: another process doesn't let go.
    """
    with alone(short_lock(_lock_file(loras, f".{doing}"))):  # with a dot, which no run's name has
        yield


def short_lock(path: Path) -> filelock.BaseFileLock:
    """A lock on the file `path`, for `alone`."""
    return filelock.FileLock(path, timeout=_MOST_S, poll_interval=0.005, thread_local=False)


@contextmanager
def alone(lock: filelock.BaseFileLock) -> Iterator[None]:
    """Holds `lock`, which no other process can hold at the same time; one thread may enter it again inside itself.

    Where no lock can be written there is none.

    Raises:
        RunError: another process doesn't let go.
    """
    path = Path(lock.lock_file)
    try:
        _take(
            lock, path, f"Another process has held {path} for {_MOST_S:g} seconds. End it if it hangs, and try again."
        )
    except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
        logger.info("%s is used without a lock: %s", path.parent, error)
    try:
        yield
    finally:
        lock.release()


def _take(lock: filelock.BaseFileLock, path: Path, held: str) -> None:
    """Raises:
    RunError: `held`, another has it.
    OSError, NotImplementedError: there can be no such lock.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise RunError(held) from None


def _lock_file(loras: Path, name: str) -> Path:
    """Raises:
    RunError: a link is in its place.
    """
    folder = loras / ASIDE_FOLDER / LOCKS_FOLDER
    if folder.is_symlink() or folder.parent.is_symlink():
        raise RunError(f"{folder} is a link, and nothing is written through it. Put a real folder there.")
    return folder / f"{name}.lock"
