"""Lists of what lies in the host's folders, made anew on every page when something is put there or taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_pro.session import Session
from training_pro.ui.live import Follows, Pulled

Listed = tuple[str, list[Any], Callable[[], dict[Any, Any]]]


class Lists(Follows):
    """`listed` gives each list's name, controls and updates, once they are built. A look costs one at each folder."""

    def __init__(self, session: Session, listed: Callable[[], list[Listed]]) -> None:
        self._session = session
        self._listed = listed

    @property
    def pulled(self) -> list[Pulled]:
        """All of them, when a folder has changed, or a run has begun or ended."""
        return [Pulled(name, self._stamp, controls, updates) for name, controls, updates in self._listed()]

    def _stamp(self) -> Any:
        folders, run = self._session.host.folders, self._session.run
        looked_at = (
            folders.datasets,
            folders.loras,
            folders.formats,
            folders.instruction_templates,
            folders.presets,
            folders.models,
        )
        return tuple(map(_changed_at, looked_at)), run, run is not None and run.status.running


def _changed_at(folder: Path | None) -> int:
    """Nanoseconds; 0 for none."""
    try:
        return folder.stat().st_mtime_ns if folder is not None else 0
    except OSError:
        return 0
