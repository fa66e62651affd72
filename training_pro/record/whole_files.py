"""Files and folders that are on disk whole or not at all, whatever happens in between.

Everything is written beside its place under a name that no menu lists, forced to the disk, and renamed.
A crash leaves the old version or the new one, and at worst a temporary that `sweep_temporaries` takes
away at the next start. Each write costs two fsyncs: about 5 ms on an SSD, so once per checkpoint, never
once per update.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from training_pro.errors import RunError
from training_pro.record.process import ProcessMark, lives, this_process

# Host menus list every first-level entry, hidden ones too, unless its name ends in "-np".
HIDDEN_ENDING = "-np"
_TEMPORARY = re.compile(r"\.(?:writing|replaced)-(\d+)-([0-9a-f]{8})-[0-9a-f]{8}(?:~(.+))?-np", re.DOTALL)
_WAYS_OUT = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EROFS: "the disk is read-only; choose a folder that can be written",
    errno.EACCES: "there is no permission; allow writing there or choose another folder",
    errno.EPERM: "there is no permission; allow writing there or choose another folder",
    errno.ENOENT: "its folder is gone; put it back or choose another",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EIO: "the disk reported a fault; check the disk",
}
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)
_WINDOWS = os.name == "nt"


def write_fault(path: Path, error: OSError) -> RunError:
    """The sentence for a write to `path` that failed with `error`."""
    way_out = _WAYS_OUT.get(error.errno or 0, f"{error.strerror or error}; check the disk and the folder")
    return RunError(f"{path} couldn't be written: {way_out}.")


def write_whole(path: Path, data: bytes | str) -> None:
    """Put `data` at `path`; text becomes UTF-8 with its line ends as they are.

    Guarantees: a reader, and a machine that loses power, sees the old file or the new one.

    Raises:
        RunError: disk full, read-only, no permission. The old file is then untouched.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data)


def write_json_whole(path: Path, value: Any) -> None:
    """`write_whole` of strict JSON: NaN and infinities become null."""
    write_whole(path, json.dumps(strict_json(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def strict_json(value: Any) -> Any:
    """`value` with NaN and infinities, which JSON has no word for, as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: strict_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict_json(item) for item in value]
    return value


@contextmanager
def whole_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Gives the path to write a new `path` to, an empty file; it takes its place when the body ends without an error.
    Who may read it is as the person's umask says, whatever wrote it; `private`: nobody else, from the first byte on.

    Raises:
        RunError: any OSError of the body or of the renaming; nothing is left behind.
    """
    temporary = _beside(path, "writing")
    try:
        with _taken_away(temporary):
            temporary.touch(mode=0o600 if private else 0o666)
            permissions = temporary.stat().st_mode & 0o777
            yield temporary
            _permit(temporary, permissions)
            _sync_file(temporary)
            rename(temporary, path)
            _sync_folder(path.parent)
    except OSError as error:
        raise write_fault(path, error) from error


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """Gives an empty folder to fill; it becomes `final`, with all its files on disk, when the body ends well.

    An older `final` is replaced; killed between the two renames that takes, `sweep_temporaries` puts it back. Who may
    read it is as the person's umask says, whatever wrote it.

    Raises:
        RunError: any OSError of the body or of the renaming; `final` is then as it was.
    """
    with _filled(final, final, partial(_put_in_place, final=final)) as staging:
        yield staging


@contextmanager
def files_into(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to fill; when the body ends well, each of its files takes its place in `folder`, whole.

    Raises:
        RunError: any OSError of the body or of the renaming.
    """
    with _filled(folder / "files", folder, partial(_put_into, folder=folder)) as staging:
        yield staging


@contextmanager
def _filled(beside: Path, target: Path, put: Callable[[Path], None]) -> Iterator[Path]:
    """Gives an empty folder next to `beside` to fill; all of it is on the disk before `put` takes it to `target`."""
    staging = _beside(beside, "writing")
    try:
        with _taken_away(staging):
            staging.mkdir()
            permissions = staging.stat().st_mode & 0o777
            yield staging
            permit_all(staging, permissions)
            _sync_tree(staging)
            put(staging)
    except OSError as error:
        raise write_fault(target, error) from error


def permit_all(folder: Path, permissions: int) -> None:
    """Let those look into all below `folder` who may by `permissions`, a folder's; some libraries write files that
    their owner alone can read."""
    for root, folders, files in os.walk(folder):
        for name in folders:
            _permit(Path(root) / name, permissions)
        for name in files:
            _permit(Path(root) / name, permissions & 0o666)


def _permit(path: Path, permissions: int) -> None:
    with suppress(OSError):  # a disk without permissions
        if not path.is_symlink() and path.stat().st_mode & 0o777 != permissions:
            path.chmod(permissions)


def temporary_beside(path: Path) -> Path:
    """A name to build a file or folder under that is to become `path` by a rename; no menu lists it, and what a crash
    leaves of it `sweep_temporaries` takes away.
    """
    return _beside(path, "writing")


def make_folder(folder: Path) -> None:
    """Make `folder`, and those above it that are missing, so that a crash can't take away a name again.

    Raises:
        RunError: the disk refuses.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in reversed(missing):
            _sync_folder(place.parent)
    except OSError as error:
        raise write_fault(folder, error) from error


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder; a file takes the place of an older `target`.

    Windows refuses for as long as another program has it open, as virus scanners have what is new: it is tried for a
    second there.

    Raises:
        OSError: it stays where it was.
    """
    for _ in range(20 if _WINDOWS else 0):
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(0.05)
    source.replace(target)


def move_folder(source: Path, target: Path) -> Path:
    """Rename a folder, and make that last in both places; gives `target`.

    Raises:
        RunError: the disk refuses; the folder is still where it was, or already where it should be.
    """
    try:
        rename(source, target)
        _sync_folder(target.parent)  # should power fail between the two, it is in both places rather than in none
        if source.parent != target.parent:
            _sync_folder(source.parent)
    except OSError as error:
        raise write_fault(target, error) from error
    return target


def remove_folder(folder: Path) -> None:
    """Remove a folder: its name disappears at once, so that no reader finds half of it.

    Raises:
        RunError: the disk refuses.
    """
    try:
        doomed = _beside(folder, "writing")
        rename(folder, doomed)
    except OSError as error:
        raise write_fault(folder, error) from error
    _remove(doomed)


def sweep_temporaries(folder: Path) -> list[Path]:
    """Remove what a crash left anywhere below `folder`; returns what was removed or restored.

    Temporaries of a process that still lives are left alone, links are not followed, and what can't be
    removed waits for the next time.
    """
    swept: list[Path] = []
    for root, folders, files in os.walk(folder):
        leftover = [name for name in (*folders, *files) if _is_leftover(name)]
        folders[:] = [name for name in folders if not _TEMPORARY.fullmatch(name)]
        swept.extend(Path(root) / name for name in leftover if _swept(Path(root) / name))
    return swept


def is_temporary(name: str) -> bool:
    """Whether `name` is that of a file or folder still being written."""
    return _TEMPORARY.fullmatch(name) is not None


def free_disk_bytes(path: Path) -> int:
    """Free space where `path` is or will be.

    Raises:
        RunError: no parent of it can be read.
    """
    for place in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise write_fault(path, error) from error
    raise RunError(f"{path} has no folder above it that can be read; check the path.")


def _beside(path: Path, kind: str) -> Path:
    mark = this_process()
    kept_name = f"~{path.name}" if kind == "replaced" else ""
    return path.with_name(f".{kind}-{mark.pid}-{mark.started}-{secrets.token_hex(4)}{kept_name}{HIDDEN_ENDING}")


@contextmanager
def _taken_away(temporary: Path) -> Iterator[None]:
    """However the body ends, `temporary` is gone afterwards, also where somebody moved the folder that it was in."""
    folder = None if _WINDOWS else os.open(temporary.parent, os.O_RDONLY)
    try:
        yield
    finally:
        with suppress(OSError):
            if folder is not None and not os.path.lexists(temporary):
                os.rename(temporary.name, _above(temporary), src_dir_fd=folder)
                _remove(_above(temporary))
        with suppress(OSError):
            _remove(temporary)
        if folder is not None:
            os.close(folder)


def _above(temporary: Path) -> Path:
    return temporary.parent.absolute().with_name(temporary.name)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:  # Windows syncs only what is open for writing
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last; a no-op where folders can't be opened or synced."""
    if _WINDOWS:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def _sync_tree(folder: Path) -> None:
    for root, _, files in os.walk(folder):
        for name in files:
            _sync_file(Path(root) / name)
        _sync_folder(Path(root))


def _put_in_place(staging: Path, final: Path) -> None:
    if not os.path.lexists(final):
        rename(staging, final)
        _sync_folder(final.parent)
        return
    replaced = _beside(final, "replaced")
    rename(final, replaced)
    try:
        rename(staging, final)
    except OSError:
        rename(replaced, final)
        raise
    _sync_folder(final.parent)  # the new one is certain before the old one goes
    _remove(replaced)


def _put_into(staging: Path, folder: Path) -> None:
    for path in sorted(staging.iterdir()):
        rename(path, folder / path.name)
    _sync_folder(folder)


def _is_leftover(name: str) -> bool:
    match = _TEMPORARY.fullmatch(name)
    return match is not None and not lives(ProcessMark(int(match[1]), match[2], ""))


def _swept(path: Path) -> bool:
    """Remove `path`, or put it back where the new version never arrived."""
    match = _TEMPORARY.fullmatch(path.name)
    final = path.with_name(match[3]) if match and match[3] else None
    try:
        if final is not None and not os.path.lexists(final):
            rename(path, final)
        else:
            _remove(path)
    except OSError:
        return False
    return not os.path.lexists(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
