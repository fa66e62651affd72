"""Which process wrote this, and does it still live? A pid alone is no answer: pids are used again.

On Linux a process is known by its pid, its start in ticks and the id of the machine's boot, none of which
a clock that is set can change; elsewhere by its pid and its start as psutil tells it. A look costs
some 30 microseconds.
"""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_GONE = ("Z", "X", "x")  # a zombie waits only for its parent to look


@dataclass(frozen=True)
class ProcessMark:
    """A process of one machine; `started` is 8 hex digits that only mean something when compared."""

    pid: int
    started: str
    machine: str


def this_process() -> ProcessMark:
    """The mark of the process that asks."""
    pid = os.getpid()
    return ProcessMark(pid, start_of(pid) or "00000000", platform.node())


def lives(mark: ProcessMark) -> bool:
    """Whether the marked process of *this* machine is still there."""
    return start_of(mark.pid) == mark.started


def start_of(pid: int) -> str | None:
    """When process `pid` started, as 8 hex digits; None when there is no such process."""
    start = _linux_start(pid) if (_PROC / "self" / "stat").exists() else _psutil_start(pid)
    return None if start is None else hashlib.sha256(start.encode()).hexdigest()[:8]


def _linux_start(pid: int) -> str | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    after_name = stat.rpartition(")")[2].split()  # the name may hold spaces and brackets
    state, ticks = after_name[0], after_name[19]
    return None if state in _GONE else f"{boot}:{ticks}"


def _psutil_start(pid: int) -> str | None:
    import psutil  # only where /proc is missing

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except (psutil.Error, ValueError, OverflowError):
        return None
