"""What two open pages cost the server, against the training they show: CPU time over a real run.

The embedded model is trained in 4-bit on the sample text, with two pages of this process open in a chromium of its
own. Each thread's CPU time is read from the system twice a second: the threads that serve pages are all of
Python's but the run's own and the one that waits here; the rest of the process is the training. Linux alone. Takes
some two minutes on two cores.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any

from tests.gradio4_helper import child_environment
from tests.ui.server import Server
from training_pro.folders import Folders
from training_pro.hosts.embedded import embedded_model
from training_pro.settings import Settings

PAGES = 2
UPDATES = 30
LONGEST_S = 60.0  # of measuring: it is a share, which a slow machine does not change
_LOOK_S = 0.5
_TASKS = Path("/proc/self/task")
_NANO = 1e9


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """The share of the pages, with the two times it is made of."""
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders.under(Path(folder) / "user_data")
        folders.make()
        copyfile(Path(__file__).parents[2] / "training_pro/assets/sample.txt", folders.datasets / "tales.txt")
        server = Server(folders, embedded_model(), load_in_4bit=True)
        with _pages(server.url):
            yield _figure(server)
        server.close()


def _figure(server: Server) -> dict[str, Any]:
    run = server.session.start(_settings())
    while run.status.update < 1:
        assert run.status.running, f"the run ended before its first update: {run.status.ending}"
        time.sleep(_LOOK_S)
    meter = CpuMeter()
    first, begin = run.status.update, time.monotonic()
    while run.status.running and run.status.update < first + UPDATES and time.monotonic() < begin + LONGEST_S:
        time.sleep(_LOOK_S)
        meter.look()
    updates, seconds = run.status.update - first, time.monotonic() - begin
    training = meter.seconds["training"]
    return {
        "figure": "page_cpu_percent",
        "value": round(100 * meter.seconds["pages"] / training, 2),
        "pages": PAGES,
        "page_cpu_s": round(meter.seconds["pages"], 3),
        "training_cpu_s": round(training, 1),
        "updates": updates,
        "seconds": round(seconds, 1),
    }


class CpuMeter:
    """CPU seconds since it was made, by what the threads do."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._before: dict[int, int] = {}
        self.look()
        self.seconds.clear()

    def look(self) -> None:
        """Add what each thread has used since the last look; a thread that ends between two looks loses the rest."""
        now = {task: used for task in _tasks() if (used := _used(task)) is not None}
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        for task, used in now.items():
            self.seconds[_doing(names.get(task))] += (used - self._before.get(task, 0)) / _NANO
        self._before = now


def _tasks() -> list[int]:
    return [int(entry.name) for entry in _TASKS.iterdir()]


def _used(task: int) -> int | None:
    """Nanoseconds on a processor; None where the thread has just ended."""
    try:
        return int((_TASKS / str(task) / "schedstat").read_text().split()[0])
    except (OSError, ValueError):
        return None


def _doing(name: str | None) -> str:
    """What a thread of this name works at; threads that Python does not know are those of the computing."""
    if name == threading.main_thread().name:
        return "this measuring"
    return "training" if name is None or name.startswith("training ") else "pages"


def _settings() -> Settings:
    return Settings(
        name="measured",
        text_file="tales.txt",
        max_tokens=128,
        batch_size=1,
        epochs=10,
        warmup_steps=1,
        save_at_loss=0,
        rank=8,
    )


@contextmanager
def _pages(url: str) -> Iterator[None]:
    """Two pages in a browser of another process."""
    watching = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.watching", url, str(PAGES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
    )
    try:
        assert watching.stdout is not None
        watching.stdout.readline()  # they are open
        yield
    finally:
        watching.communicate(timeout=60)  # the end of its input ends it
