"""What the containers around this process still allow it of memory: Linux control groups, old (v1) and new (v2).

A limit is of a group and all groups in it, so every group from the process's own to the outermost is looked at. File
pages that were not used lately (`inactive_file`) count as used there, and are given up when memory is wanted. Costs a
few small reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _Files:
    """What a group's files are called; of `inactive` the first that its ``memory.stat`` has."""

    limit: str
    used: str
    inactive: tuple[str, ...]


_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "inactive_file"))
_V2 = _Files("memory.max", "memory.current", ("inactive_file",))


def allowed_bytes(root: Path = Path("/")) -> list[int]:
    """What each group with a limit still allows, the process's own first; [] without limits, or where they can't be
    read. `root` has ``proc`` and ``sys``.
    """
    return [free for group, files in _groups(root) if (free := _free(group, files)) is not None]


def _groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    """The process's groups that could limit memory, and those around them. Some may not be visible in a container."""
    mounts = root / "sys" / "fs" / "cgroup"
    lines: list[str] = []
    with suppress(OSError, ValueError):
        lines = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from ((group, _V2) for group in _upwards(mounts, path))
        elif "memory" in controllers.split(","):
            yield from ((group, _V1) for group in _upwards(mounts / "memory", path))


def _upwards(top: Path, path: str) -> Iterator[Path]:
    group = top / path.lstrip("/")
    while group != top:
        yield group
        group = group.parent
    yield top


def _free(group: Path, files: _Files) -> int | None:
    """None without a limit: v2 calls that "max", v1 has a number larger than any memory."""
    with suppress(OSError, ValueError):
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in (files.limit, files.used))
        return max(limit - used + _inactive(group / "memory.stat", files.inactive), 0)
    return None


def _inactive(stat: Path, names: tuple[str, ...]) -> int:
    with suppress(OSError, ValueError):
        values = dict(line.split(maxsplit=1) for line in stat.read_text(encoding="ascii").splitlines())
        return next((int(values[name]) for name in names if name in values), 0)
    return 0
