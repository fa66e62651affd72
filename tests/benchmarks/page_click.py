"""How soon the page answers a click while a run has 100,000 updates behind it and goes on.

The run is made by hand: its history is on the disk and in memory as a real one's, and an update is added five times
a second. Times in milliseconds: of the handlers by themselves (CPU time of their thread), and in chromium from the
click to the changed page. Takes a minute.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import gradio as gr

from tests.fakes import save_tiny_model
from tests.ui.browser import Tab, chromium
from tests.ui.server import Server
from tests.ui.stand_ins import look
from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.record.history import HISTORY_FILE, Event, History, read_history
from training_pro.record.points import Point
from training_pro.record.runs import SETTINGS_FILE, read_run
from training_pro.record.state import starting_state, write_state
from training_pro.settings import Settings, to_json
from training_pro.training.resume import Begin
from training_pro.training.run import Run
from training_pro.ui.live import LiveUpdates
from training_pro.ui.tab import Tab as Panels
from training_pro.ui.views.run_chart import run_chart
from training_pro.ui.views.runs import run_in_full

UPDATES = 100_000
CLICKS = 7
OTHERS = ("other-1", "other-2", "other-3", "other-4", "other-5")
_PACE_S = 0.2
# Resolves with the milliseconds from doing `act` to the first moment at which `seen` holds.
_TIMED = """([act, seen]) => new Promise(done => {
  const begin = performance.now(), holds = eval(seen)
  eval(act)()
  const look = () => holds() ? done(performance.now() - begin) : requestAnimationFrame(look)
  look()
})"""


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """Handlers, then clicks."""
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders.under(Path(folder) / "user_data")
        folders.make()
        for name in ("long", OTHERS[0]):
            make_run(folders, name)
        for name in OTHERS[1:]:
            shutil.copytree(folders.loras / OTHERS[0], folders.loras / name)
        server = Server(folders, save_tiny_model(Path(folder) / "tiny"))
        with LiveRun(server, folders.loras / "long"):
            yield from _handlers(server, folders.loras / OTHERS[0])
            yield from _clicks(server)
        server.close()


class LiveRun:
    """A run of `folder` that goes on, as the session's own."""

    def __init__(self, server: Server, folder: Path) -> None:
        settings = Settings(name=folder.name, text_file="tales.txt")
        self._session = session = server.session
        self.run = Run(session.host, settings, folder, session._prepared, Begin())
        self.run.history = History.open(folder / HISTORY_FILE)
        self.run._board.change(plan=make_plan(200_000, 1, 1, 1.0), phase="training")
        session._run = self.run
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> LiveRun:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._session._run = None

    def step(self) -> None:
        """One more update."""
        assert self.run.history is not None
        added = point(len(self.run.history.points) + 1)
        self.run.history.add(added)
        self.run._board.point(added, added.update * 1000)

    def _go_on(self) -> None:
        while not self._over.wait(_PACE_S):
            self.step()


def point(update: int) -> Point:
    loss = 3 * math.exp(-update / 30_000)
    return Point(update, update / 1000, loss + 0.1 * math.sin(update), loss, 1e-4, 1.25, 900.5, update * 0.5, 5000.0)


def make_run(folders: Folders, name: str) -> None:
    """A run's folder with a long history."""
    folder = folders.loras / name
    folder.mkdir()
    (folder / SETTINGS_FILE).write_text(to_json(Settings(name=name)), encoding="utf-8")
    write_state(folder, starting_state(UPDATES, "tiny", "", "").ended("finished", "all updates are done"))
    history = History.open(folder / HISTORY_FILE)
    for update in range(1, UPDATES + 1):
        history.add(point(update))
        if update % 1000 == 0:
            history.add_event(Event("checkpoint", update, "every 1,000 updates"))
    history.close()


def _handlers(server: Server, folder: Path) -> Iterator[dict[str, Any]]:
    live = _live(server)
    history = server.run.history
    assert history is not None
    yield _figure("page_look_ms", lambda: look(live, look(live)), 200)
    yield _figure("page_chart_ms", lambda: run_chart(history.points, history.events), 20)
    yield _figure("page_read_history_ms", lambda: read_history(folder / HISTORY_FILE), 5)
    yield _figure("page_open_run_ms", lambda: run_in_full(read_run(folder)), 5)


def _live(server: Server) -> LiveUpdates:
    """What answers the pages."""
    with gr.Blocks():
        panels = Panels(server.session)
        panels.build()
    return panels.live


def _clicks(server: Server) -> Iterator[dict[str, Any]]:
    with chromium() as browser:
        tab = Tab(browser, server.url)
        tab.until(lambda: tab.part("chart").locator("path.tp-line").count() > 2, "the chart", 120)
        yield _clicked("page_click_pause_ms", [_press(tab, name, "live-said") for name in ("pause", "continue") * 3])
        yield _clicked("page_click_log_scale_ms", [_tick(tab) for _ in range(CLICKS)])
        tab.show_tab("Runs")
        tab.until(lambda: OTHERS[-1] in tab.words("runs-table"), "the list")
        yield _clicked("page_click_open_run_ms", [_open_run(tab, name) for name in OTHERS[1:]])


def _press(tab: Tab, name: str, answer: str) -> float:
    tab.until(lambda: tab.part(name).is_enabled(), "the button")
    before = tab.words(answer)
    return _timed(tab, f"#tp-{name}", f"document.querySelector('#tp-{answer}').innerText.trim() != {before.strip()!r}")


def _tick(tab: Tab) -> float:
    ticks = "[...document.querySelectorAll('#tp-chart .tp-y')].map(label => label.innerText).join()"
    before = tab.page.evaluate(ticks)
    return _timed(tab, "#tp-log input", f"{ticks} != {before!r}")


def _open_run(tab: Tab, name: str) -> float:
    """For the first time, so that its history is read."""
    row = f'.tp-runs tr[data-run="{name}"] .tp-open'
    tab.page.locator(row).wait_for()
    shown = f"document.querySelector('#tp-runs-shown h2')?.innerText.includes({name!r})"
    return _timed(tab, row, f"{shown} && document.querySelector('#tp-runs-shown .tp-chart')")


def _timed(tab: Tab, target: str, seen: str) -> float:
    return float(tab.page.evaluate(_TIMED, [f"() => document.querySelector({target!r}).click()", f"() => {seen}"]))


def _figure(name: str, work: Callable[[], Any], times: int) -> dict[str, Any]:
    took = []
    for _ in range(times):
        begin = time.thread_time()
        work()
        took.append(1000 * (time.thread_time() - begin))
    return {"figure": name, "median": round(median(took), 3), "longest": round(max(took), 3), "updates": UPDATES}


def _clicked(name: str, took: list[float]) -> dict[str, Any]:
    return {"figure": name, "median": round(median(took)), "longest": round(max(took)), "updates": UPDATES}
