"""The command that trains in a process of its own, or in several: the existing launchers, nothing of ours."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.errors import SettingsError
from training_pro.folders import Folders
from training_pro.hosts.host import ModelSource

MOST_PROCESSES = 64
_ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"
_NEW_GROUP, _NO_WINDOW = 0x00000200, 0x08000000  # subprocess has these names on Windows alone


@dataclass(frozen=True)
class OwnProcess:
    """Where a run trains; nothing of what it learns depends on it. `processes`: one a graphics card.

    `accelerate_config`: a file of ``accelerate config``, which then says how to launch; "" for none.
    """

    processes: int = 1
    accelerate_config: str = ""

    def check(self) -> None:
        """Raises:
        SettingsError: everything that is wrong, at once.
        """
        faults = []
        if not 1 <= self.processes <= MOST_PROCESSES:
            faults.append(f"Processes (GPUs) is {self.processes}; it must be from 1 to {MOST_PROCESSES}.")
        if self.accelerate_config and not Path(self.accelerate_config).expanduser().is_file():
            faults.append(
                f"There is no accelerate configuration {self.accelerate_config}; make one with: accelerate config "
                "--config_file FILE, or leave the field empty."
            )
        if faults:
            raise SettingsError(faults)


def train_command(
    settings_file: str, source: ModelSource | None, folders: Folders, where: OwnProcess, python: str = "python"
) -> list[str]:
    """The words of the command that trains `settings_file` on the model of `source`."""
    words = [python, *_launcher(where), "-m", "training_pro", "train", settings_file]
    words += ["--user-data", str(folders.user_data)]
    if folders.loras != folders.user_data / "loras":
        words += ["--loras", str(folders.loras)]
    return words + (source.options() if source is not None else [])


def _launcher(where: OwnProcess) -> list[str]:
    if where.accelerate_config:
        config = str(Path(where.accelerate_config).expanduser())
        several = ["--num_processes", str(where.processes)] if where.processes > 1 else []
        return ["-m", "accelerate.commands.launch", "--config_file", config, *several]
    if where.processes > 1:
        return ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(where.processes)]
    return []


def shell_line(words: list[str], source: ModelSource | None) -> str:
    """The command as one types it, for this system's shell."""
    environment = child_environment(source)
    if os.name == "nt":
        return subprocess.list2cmdline(words)
    hidden = "CUDA_VISIBLE_DEVICES= " if environment.get("CUDA_VISIBLE_DEVICES") == "" else ""
    return hidden + shlex.join(words)


def child_environment(source: ModelSource | None) -> dict[str, str]:
    """Ours, with this package importable; without graphics cards where the host does not use them either. On Linux
    torch's pieces of a card's memory may grow, so that blocks of many lengths leave no gaps in it."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUNBUFFERED": "1"}
    if source is not None and source.on_cpu and _has_cards():
        environment["CUDA_VISIBLE_DEVICES"] = ""
    if sys.platform.startswith("linux"):
        environment.setdefault(_ALLOCATOR, "expandable_segments:True")
    return environment


def start_child(words: list[str], source: ModelSource, log: Path) -> subprocess.Popen[bytes]:
    """Start it apart from us, so that it outlives us and no Ctrl-C of our terminal reaches it.

    Raises:
        OSError: it can't be started, or the log can't be written.
    """
    with log.open("wb") as output:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=child_environment(source),
            **_apart(),
        )


def _apart() -> dict[str, Any]:
    """A session of its own; on Windows, which has none, a process group of its own without a window."""
    if os.name != "nt":
        return {"start_new_session": True}
    return {"creationflags": _NEW_GROUP | _NO_WINDOW}


def this_python() -> str:
    """The Python that runs now."""
    return sys.executable or "python"


def _has_cards() -> bool:
    import torch

    return bool(torch.cuda.is_available())
