"""Lists of what lies in the host's folders, made again on every page when something has changed in them.

Costs a look at each folder and what is right in it every second or so, whoever asks; and each list only when something
was put there, taken away or changed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from training_pro.record.adapter_files import CONFIG_FILE
from training_pro.record.runs import SETTINGS_FILE
from training_pro.session import Session
from training_pro.ui.live import Follows, Pulled

Listed = tuple[str, list[Any], Callable[[], dict[Any, Any]]]
_LOOK_S = 1.0
_MARKS = (CONFIG_FILE, SETTINGS_FILE)


class Lists(Follows):
    """`listed` gives each list's name, controls and updates, once they are built."""

    def __init__(self, session: Session, listed: Callable[[], list[Listed]]) -> None:
        self._session = session
        self._listed = listed
        self._lock = threading.Lock()
        self._looked: tuple[float, Any] = -_LOOK_S, None
        self._shown: dict[str, tuple[Any, str]] = {}

    @property
    def pulled(self) -> list[Pulled]:
        """All of them, each when what it shows is another."""
        return [
            Pulled(name, partial(self._words, name, updates), controls, updates)
            for name, controls, updates in self._listed()
        ]

    def _words(self, name: str, updates: Callable[[], dict[Any, Any]]) -> str:
        """What the list says by now."""
        seen = self._seen()
        known = self._shown.get(name)
        if known is None or known[0] != seen:
            known = self._shown[name] = seen, str(list(updates().values()))
        return known[1]

    def _seen(self) -> Any:
        """Equal for as long as no list can be another."""
        with self._lock:
            at, seen = self._looked
            if time.monotonic() - at >= _LOOK_S:
                folders, run = self._session.host.folders, self._session.run
                files = (folders.datasets, folders.formats, folders.instruction_templates, folders.presets)
                seen = (
                    tuple(map(_inside, (*files, folders.models))),
                    _loras(folders.loras),
                    run,
                    run is not None and run.status.running,
                    self._session.runs_by_name,
                )
                self._looked = time.monotonic(), seen
            return seen


def _loras(folder: Path) -> Any:
    """Which there are, and which of them can be used or copied from; a run in progress writes in its own all the
    time."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, [Path(entry.path, mark).exists() for mark in _MARKS]) for entry in entries)
    except OSError:
        return None


def _inside(folder: Path) -> Any:
    """When what lies in it last changed: the folder, and the folders right in it."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, entry.stat().st_mtime_ns if entry.is_dir() else 0) for entry in entries)
    except OSError:
        return None
