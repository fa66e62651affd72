"""A session whose runs end when the test says so, and folders that look like theirs."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from training_pro.errors import Fault, RunError
from training_pro.folders import Folders
from training_pro.plan import Plan
from training_pro.record.points import Point
from training_pro.record.runs import SETTINGS_FILE
from training_pro.record.state import RunState, starting_state, write_state
from training_pro.settings import Settings, to_json
from training_pro.training.controls import Controls
from training_pro.training.status import Ending, EndKind, RunStatus


class FakeRun:
    """Goes until `end` is called, or it is interrupted."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.controls = Controls(settings)
        self.folder = folder
        self.status = RunStatus(settings.name, folder, phase="training")
        self._over = threading.Event()
        self.controls.interrupt_now = self.controls.interrupt
        self.controls.interrupt = self._interrupt
        make_run(folder, settings, starting_state(10, "tiny", "", ""))

    def _interrupt(self, reason: str = "stopped by you") -> None:
        self.end("interrupted", reason)

    def end(self, kind: EndKind = "finished", reason: str = "all updates are done") -> None:
        plan = Plan.__new__(Plan)
        object.__setattr__(plan, "total_updates", 10)
        self.status = replace(
            self.status,
            phase="ended",
            plan=plan,
            point=Point(update=10, loss=1.0, smoothed_loss=1.5),
            ending=Ending(kind, reason),
        )
        make_run(self.folder, self.settings, starting_state(10, "tiny", "", "").ended(kind, reason))
        self._over.set()

    def wait(self, seconds: float | None = None) -> RunStatus:
        self._over.wait(seconds)
        return self.status


class FakeSession:
    """`faults` names what is said against a run, `refuse` what raises at its start; `begun` says how each began."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.host = self
        self.run: FakeRun | None = None
        self.faults: dict[str, list[str]] = {}
        self.refuse: dict[str, Exception] = {}
        self.begun: list[tuple[str, str]] = []
        self.started = threading.Semaphore(0)

    def occupied(self) -> str:
        return "a run goes" if self.run is not None and self.run.status.running else ""

    def vet(self, settings: Settings) -> list[Fault]:
        return [Fault(text) for text in self.faults.get(settings.name, [])]

    def start(self, settings: Settings, existing: str, *, queued: bool) -> FakeRun:
        assert queued
        if self.run is not None and self.run.status.running:
            raise RunError("another goes")
        self.begun.append((settings.name, existing))
        if settings.name in self.refuse:
            raise self.refuse[settings.name]
        self.run = FakeRun(settings, self.folders.loras / settings.name)
        self.started.release()
        return self.run

    def next_run(self) -> FakeRun:
        """The run that starts next, waited for."""
        assert self.started.acquire(timeout=30), "no run started"
        assert self.run is not None
        return self.run


def make_run(folder: Path, settings: Settings, state: RunState) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS_FILE).write_text(to_json(settings), encoding="utf-8")
    write_state(folder, state)
