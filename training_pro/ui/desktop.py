"""Showing a folder on the desktop of the machine the page runs on, where there is one. No gradio."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def at_this_machine(address: str | None) -> bool:
    """Whether a page asked from `address` is open on this very machine."""
    return address in _THIS_MACHINE


def show_folder(folder: Path) -> bool:
    """Open `folder` in the desktop's file manager; False where there is no desktop, or it refuses."""
    command = _command(folder)
    if command is None:
        return False
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True


def _command(folder: Path) -> list[str] | None:
    if sys.platform == "win32":
        return ["explorer", str(folder)]
    if sys.platform == "darwin":
        return ["open", str(folder)]
    opener = shutil.which("xdg-open")
    has_screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return [opener, str(folder)] if opener and has_screen else None
