"""Eight hours' worth of updates of a run, with pages looking on: threads, files, memory and disk stay as they are.

A tiny model makes some hundred updates a second; the checkpoints rotate and two readers ask what open pages ask.
"""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import gradio as gr
import psutil
import pytest

from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.checkpoints import checkpoints
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.training.run import Run
from training_pro.ui.live import LiveUpdates
from training_pro.ui.tab import Tab

TEXT = "\n\n\n".join(f"Line {n}. The lamp is lit at dusk." for n in range(40))
LOOK_EVERY_S = 1.0
KEPT = 2


@dataclass(frozen=True)
class Use:
    """What the process and the run's folder take at one update."""

    update: int
    threads: int
    files: int
    memory_mb: float
    history_bytes: int
    checkpoint_bytes: int


def use(run: Run) -> Use:
    process = psutil.Process()
    newest = checkpoints(run.folder)[-1:]
    return Use(
        run.status.update,
        threading.active_count(),
        process.num_fds(),
        process.memory_info().rss / 2**20,
        (run.folder / HISTORY_FILE).stat().st_size,
        sum(_size(file) for checkpoint in newest for file in checkpoint.path.rglob("*")),
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # rotated away meanwhile
        return 0


@contextmanager
def two_pages(session: Session) -> Iterator[None]:
    """Two threads that ask the built tab every second what is new, as the scripts of open pages do."""
    closed = threading.Event()
    with gr.Blocks():
        tab = Tab(session)
        tab.build()
    pages = [threading.Thread(target=_look, args=(tab.live, measure, closed)) for measure in ("memory_mb", "grad_norm")]
    for page in pages:
        page.start()
    try:
        yield
    finally:
        closed.set()
        for page in pages:
            page.join()


def _look(live: LiveUpdates, measure: str, closed: threading.Event) -> None:
    """Each page has what it was given before, and wants to see another measure."""
    have: dict[str, str] = {}
    while not closed.wait(LOOK_EVERY_S):
        answer = json.loads(live.look(json.dumps({"have": have, "view": {"measure": measure}})))
        have |= {name: version for name, (version, _) in answer["slots"].items()}


def train_long(folders: Folders, model: Path, updates: int) -> tuple[Run, list[Use]]:
    """A run of `updates` updates and what was used at each of its tenths, beginning with the second."""
    (folders.datasets / "lamp.txt").write_text(TEXT, encoding="utf-8")
    session = Session(StandaloneHost(folders, model, load_in_4bit=False))
    settings = Settings(
        name="long",
        text_file="lamp.txt",
        max_tokens=16,
        batch_size=1,
        rank=1,
        warmup_steps=0,
        save_at_loss=0.0,
        learning_rate=1e-6,
        overlap=False,
        save_steps=max(updates // 30, 1),
        keep_checkpoints=KEPT,
        epochs=1.0,
    )
    per_epoch = session.check(settings).plan.updates_per_epoch
    run = session.start(settings.changed(epochs=updates / per_epoch))
    uses: list[Use] = []
    with two_pages(session):
        while run.wait(0.2).running:
            if run.status.update >= (len(uses) + 2) * updates // 10:
                gc.collect()
                uses.append(use(run))
    return run, uses


def assert_flat(run: Run, uses: list[Use], updates: int) -> None:
    assert run.status.ending is not None and run.status.ending.kind == "finished", run.status.ending
    assert run.status.update == updates and len(uses) >= 7
    first, last, later = uses[0], uses[-1], uses[len(uses) // 2 :]
    done = last.update - first.update
    # One look may fall into a checkpoint's writing, which opens files for a moment; what stays open is in all of them.
    assert min(u.threads for u in later) <= first.threads and min(u.files for u in later) <= first.files + 2, uses
    assert last.memory_mb - first.memory_mb < 24 + done * 600 / 2**20, (first, last)  # a point and the chart's arrays
    assert last.history_bytes / last.update < 300
    assert last.checkpoint_bytes < first.checkpoint_bytes + 32_768, "checkpoints carry the history again"
    assert len(checkpoints(run.folder)) <= KEPT + 1
    points = read_history(run.folder / HISTORY_FILE).points
    assert [point.update for point in (points[0], points[-1])] == [1, updates] and len(points) == updates
    assert len(json.loads((run.folder / "training_graph.json").read_text())) == updates


@pytest.mark.stress
@pytest.mark.promise("long run")
def test_three_hundred_updates_leave_nothing_behind(folders: Folders, tiny_folder: Path) -> None:
    run, uses = train_long(folders, tiny_folder, 300)
    assert_flat(run, uses, 300)


@pytest.mark.stress
@pytest.mark.promise("long run")
def test_two_hundred_thousand_updates(folders: Folders, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    updates = int(os.environ.get("LONG_RUN_UPDATES", "200000"))
    run, uses = train_long(folders, tiny_folder, updates)
    with capsys.disabled():
        for taken in uses:
            print(json.dumps(asdict(taken)))  # noqa: T201 - the figures are what this is for
    assert_flat(run, uses, updates)
