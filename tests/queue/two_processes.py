"""What each of two processes does to one queue; both begin when both are there."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.queue.fake_session import FakeRun, FakeSession
from training_pro.folders import Folders
from training_pro.queue.kept_list import KeptList
from training_pro.queue.run_queue import RunQueue
from training_pro.record import lock
from training_pro.settings import Settings

_SPAWN = multiprocessing.get_context("spawn")
_MOST_S = 120


class QuickSession(FakeSession):
    """Its runs end as they begin."""

    def start(self, settings: Settings, existing: str, *, queued: bool) -> FakeRun:
        run = super().start(settings, existing, queued=queued)
        run.end()
        return run


def in_two_processes(work: Callable[[Path, int, Any, Any], None], user_data: Path) -> list[Any]:
    """What `work` put into its results, in two processes at once."""
    together, results = _SPAWN.Barrier(2), _SPAWN.Queue()
    processes = [_SPAWN.Process(target=work, args=(user_data, number, together, results)) for number in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=_MOST_S) for _ in processes]
    for process in processes:
        process.join(_MOST_S)
        assert process.exitcode == 0
    return found


def add_runs(user_data: Path, number: int, together: Any, results: Any) -> None:
    """Adds 20 runs, one by one; their names are the result."""
    folders = Folders.under(user_data)
    lock._MOST_S = _MOST_S  # whoever has the list takes it again at once; on a slow disk that is long
    queue = RunQueue(QuickSession(folders), KeptList(folders.queue))
    together.wait(_MOST_S)
    names = [f"run-{number}-{at}" for at in range(20)]
    for name in names:
        queue.add([Settings(name=name, text_file="a.txt")])
    results.put(names)


def work_off(user_data: Path, number: int, together: Any, results: Any) -> None:
    """Works the queue off; the names of what was begun are the result."""
    folders = Folders.under(user_data)
    lock._MOST_S = _MOST_S
    session = QuickSession(folders)
    queue = RunQueue(session, KeptList(folders.queue))
    together.wait(_MOST_S)
    queue.start()
    assert queue.wait(_MOST_S)
    results.put([name for name, _ in session.begun])
