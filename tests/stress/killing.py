"""Processes that train and are killed with ``kill -9``, at a moment that is watched for from outside."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.record.adapters import newest_complete
from training_pro.record.checkpoints import checkpoints
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.record.state import read_state, standing
from training_pro.record.whole_files import is_temporary

LOOK_AGAIN_S = 0.0003
TOO_LONG_S = 600.0
Due = Callable[[], bool]


class Child(Protocol):
    """A process that trains."""

    @property
    def pid(self) -> int | None: ...

    def running(self) -> bool: ...

    def wait(self) -> int:
        """The exit code."""


class Command:
    """The command line in a process of its own."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "training_pro", *arguments],
                stdout=output,
                stderr=output,
                env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            )
        self.pid = self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        return self._process.wait(TOO_LONG_S)


class Forked:
    """The command line in a process of its own that found its libraries imported: a start takes some 50 ms."""

    def __init__(self, arguments: list[str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.stress.warm"])
        self._process = context.Process(target=run_command, args=(arguments,))
        self._process.start()
        self.pid = self._process.pid

    def running(self) -> bool:
        return self._process.is_alive()

    def wait(self) -> int:
        self._process.join(TOO_LONG_S)
        code = self._process.exitcode
        assert code is not None, "the process does not end"
        return code


def run_command(arguments: list[str]) -> None:
    """What a forked process does."""
    from training_pro.cli.main import main

    sys.exit(main(arguments))


def killed_when(child: Child, due: Due) -> bool:
    """Kill `child` as soon as `due`; False if it ended by itself before."""
    end = time.monotonic() + TOO_LONG_S
    while not due():
        if not child.running():
            return False
        assert time.monotonic() < end, "the moment never came"
        time.sleep(LOOK_AGAIN_S)
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    return child.wait() == -signal.SIGKILL


@dataclass
class AfterTheStart:
    """So many seconds after the run has opened its history (again)."""

    run: Path
    seconds: float
    _opened: float | None = None
    _before: float | None = None

    def __post_init__(self) -> None:
        self._before = self._state_written()

    def __call__(self) -> bool:
        if self._opened is None and self._state_written() != self._before:
            self._opened = time.monotonic()
        return self._opened is not None and time.monotonic() >= self._opened + self.seconds

    def _state_written(self) -> float | None:
        try:
            return (self.run / "training_state.json").stat().st_mtime
        except OSError:
            return None


@dataclass
class InsideAWrite:
    """So many seconds after the `number`-th checkpoint has begun to be written."""

    run: Path
    number: int
    seconds: float = 0.0
    _seen: set[str] = field(default_factory=set)
    _due: float | None = None

    def __post_init__(self) -> None:
        self._seen |= self._folders()
        self.number += len(self._seen)

    def __call__(self) -> bool:
        self._seen |= self._folders()
        if self._due is None and len(self._seen) >= self.number:
            self._due = time.monotonic() + self.seconds
        return self._due is not None and time.monotonic() >= self._due

    def _folders(self) -> set[str]:
        try:
            return {entry.name for entry in os.scandir(self.run) if is_temporary(entry.name) and entry.is_dir()}
        except OSError:
            return set()


def left_unfinished(run: Path) -> list[str]:
    """The names of the temporaries in a run's folder."""
    return [path.name for path in run.rglob("*") if is_temporary(path.name)] if run.is_dir() else []


def check_what_a_kill_left(run: Path, interval: int) -> None:
    """Each listed checkpoint is whole, the newest at most `interval` updates old, no line lost; it can go on."""
    if not run.is_dir():
        return
    state = read_state(run)
    assert state is None or standing(run, state) in ("unfinished", "finished")
    assert [found.fault for found in checkpoints(run) if not found.complete] == []
    history = read_history(run / HISTORY_FILE)
    assert history.torn_lines <= 1  # the line being written
    last = history.points[-1].update if len(history.points) else 0
    newest = newest_complete(run)
    assert last - (newest.update if newest else 0) <= interval
    assert [point.update for point in history.points] == list(range(1, last + 1))
