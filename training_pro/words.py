"""Durations, sizes, times and reasons as people read them, and names in their order. Standard library only."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_DIGITS = re.compile(r"(\d+)")


def reason_of(error: BaseException, most: int = 200) -> str:
    """The first line of what an error says, to stand in brackets in a sentence; its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return " ".join(lines[0].split())[:most] if lines else type(error).__name__


def time_words(seconds: float | None) -> str:
    """ "45 s", "3 min", "2 h 5 min"; "?" for None."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(number: int, one: str, many: str = "") -> str:
    """ "1 row", "4,000 rows"; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size_words(size_bytes: float) -> str:
    """ "512 kB", "270 MB", "15.2 GB"; decimal, as disks are sold."""
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes >= 1e6 else f"{max(size_bytes, 0) / 1e3:.0f} kB"


def gigabytes(size_bytes: int) -> str:
    """Memory as "0.52 GB" or "12.3 GB", in units of 1024 as memory is sold."""
    value = size_bytes / 1024**3
    return f"{value:.2f} GB" if value < 10 else f"{value:.1f} GB"


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Sorts names as people do: "part 2" before "part 10"."""
    parts = _DIGITS.split(name.casefold())
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def utc_now() -> str:
    """The present time as records write it: UTC, ISO 8601, whole seconds."""
    return utc_time(datetime.now(timezone.utc).timestamp())


def utc_time(seconds: float) -> str:
    """A time in seconds since 1970, as records write it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def utc_stamp() -> str:
    """The present time for a file's name: "20261129T205734Z"."""
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
