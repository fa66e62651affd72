"""The lock on a run's folder: one process at a time trains into it, whatever its files say.

It is the system's own lock on a small file beside the runs, so that it ends with its process, killed or not, and a
file left over blocks nobody. It stands under ``<loras>/.training_pro-np``, because the folder itself may be moved aside
and made anew while it is held. Costs some tens of microseconds.
"""

from __future__ import annotations

from pathlib import Path

import filelock

from training_pro.errors import RunError
from training_pro.record.aside import ASIDE_FOLDER
from training_pro.record.files import write_fault

LOCKS_FOLDER = "locks"


class FolderLock:
    """Held from `lock_folder` on until `release` or the end of the process."""

    def __init__(self, lock: filelock.BaseFileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        """Let go; a second call does nothing."""
        self._lock.release(force=True)


def lock_folder(folder: Path) -> FolderLock:
    """Keep all others from training into the run `folder`, which may or may not be there yet.

    Raises:
        RunError: another process, or another session of this one, holds it; or no lock can be written.
    """
    path = folder.parent / ASIDE_FOLDER / LOCKS_FOLDER / f"{folder.name}.lock"
    if path.parent.is_symlink() or path.parent.parent.is_symlink():
        raise RunError(f"{path.parent} is a link; nothing is written through it: put a real folder there.")
    lock = filelock.FileLock(path, timeout=0, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise RunError(
            f'The run "{folder.name}" is going in another process; wait for its end or interrupt it there.'
        ) from None
    except OSError as error:
        raise write_fault(path, error) from error
    return FolderLock(lock)
