"""What must be true of a user data folder after anything, and of the start after it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.stress.killing import left_unfinished
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.aside import aside_runs
from training_pro.record.checkpoints import checkpoints
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.record.runs import list_runs, summarize
from training_pro.record.whole_files import sweep_temporaries
from training_pro.session import Existing, Session
from training_pro.settings import Settings


@dataclass(frozen=True)
class Expected:
    """The run that was disturbed, its undisturbed adapter, and the digests of the files that are not its own."""

    settings: Settings
    adapter: bytes
    interval: int
    untouched: dict[str, str]
    aside: str = ""  # digest of the adapter that Override keeps aside


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_left(folders: Folders, expected: Expected, update: int) -> None:
    """Nothing is lost: the run had done `update` updates when it was disturbed."""
    for place, wanted in expected.untouched.items():
        assert digest(folders.user_data / place) == wanted, f"{place} was touched"
    runs = {run.name: run for run in list_runs(folders)}
    assert [run.fault for run in runs.values() if run.fault and run.name != expected.settings.name] == []
    run = folders.loras / expected.settings.name
    if expected.aside and not _is_at_home(run, expected.aside):
        kept = [found.path / "adapter_model.safetensors" for found in aside_runs(folders)]
        assert expected.aside in [digest(path) for path in kept if path.is_file()], "the older LoRA is lost"
    newest = 0
    for found in checkpoints(run) if not _is_at_home(run, expected.aside) else ():
        assert found.complete, found.fault
        check_loads(found.path)
        newest = max(newest, found.update)
    if not _is_at_home(run, expected.aside):
        assert update - newest <= expected.interval, f"the newest checkpoint is {newest}, {update} updates were done"


def _is_at_home(run: Path, adapter: str) -> bool:
    """Whether the older LoRA is still where it was."""
    path = run / "adapter_model.safetensors"
    return bool(adapter) and path.is_file() and digest(path) == adapter


def check_loads(checkpoint: Path) -> None:
    assert load_file(checkpoint / "adapter_model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt"):
        assert torch.load(checkpoint / name, weights_only=True)


def check_history(run: Path, torn: int) -> None:
    if run.is_dir():
        history = read_history(run / HISTORY_FILE)
        assert history.torn_lines <= torn, f"{history.torn_lines} torn lines"
        updates = [point.update for point in history.points]
        assert updates == list(range(1, len(updates) + 1)), f"updates {updates}"


def go_on(folders: Folders, model: Path, expected: Expected) -> None:
    """The same command again: the run ends as if nothing had happened, and nothing half is left."""
    session = Session(StandaloneHost(folders, model, load_in_4bit=False))
    run = folders.loras / expected.settings.name
    if not (run.exists() and summarize(run).state == "finished" and not expected.settings.override):
        started = session.start(expected.settings, existing(session, expected.settings))
        ending = started.wait(120).ending
        session.settle()
        assert ending is not None and ending.kind == "finished", ending
    assert (run / "adapter_model.safetensors").read_bytes() == expected.adapter, "another adapter"
    check_history(run, torn=0)
    sweep_temporaries(folders.loras)  # as the next start does
    check_nothing_half(folders.user_data)
    assert summarize(run).state == "finished", "not finished"


def check_nothing_half(folder: Path) -> None:
    """No temporary stays; the channel to a run is taken away a moment after its end."""
    end = time.monotonic() + 60
    while left := left_unfinished(folder):
        assert time.monotonic() < end, f"left over: {left}"
        time.sleep(0.01)


def existing(session: Session, settings: Settings) -> Existing:
    """As the command line chooses."""
    if settings.override:
        return "replace"
    return "continue" if (session.host.folders.loras / settings.name).exists() else "ask"
