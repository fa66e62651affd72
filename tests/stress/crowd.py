"""Many hands on one session at once: each does at random what pages, programs and people do."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stress.killing import Forked
from training_pro.cli.common import ExitCode
from training_pro.errors import UserError
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.aside import aside_runs, delete_run, put_back, rename_run
from training_pro.record.checkpoints import checkpoints
from training_pro.record.runs import list_runs
from training_pro.session import Existing, Session
from training_pro.settings import Settings
from training_pro.training.run import Run

NAMES = ("anna", "ben", "cleo")
WAYS: tuple[Existing, ...] = ("ask", "continue", "replace", "on top")
REST_S = 0.02
NO_DEADLOCK_S = 300.0
# What the command line may answer where others take the name or the model away: all but a fault of its own.
ANSWERS = frozenset(ExitCode) - {ExitCode.PIPE_CLOSED, ExitCode.NOT_RUNNING}


class CountingHost(StandaloneHost):
    """Knows how many runs ever held the model at the same time."""

    def __init__(self, *arguments: object, **more: object) -> None:
        super().__init__(*arguments, **more)
        self._count_lock = threading.Lock()
        self.holding = self.most_holding = self.holds = 0

    @contextmanager
    def hold(self, sentence: Callable[[], str]) -> Iterator[None]:
        with super().hold(sentence):
            with self._count_lock:
                self.holding += 1
                self.holds += 1
                self.most_holding = max(self.most_holding, self.holding)
            try:
                yield
            finally:
                with self._count_lock:
                    self.holding -= 1


class Crowd:
    """`clients` threads that each do one thing after another until `stop`.

    `done` counts what was done, `refused` what was answered with a sentence, `faults` anything else that came up.
    """

    def __init__(self, session: Session, model: Path, make_settings: Callable[..., Settings], seed: int) -> None:
        self.session = session
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.faults: list[str] = []
        self.runs: dict[int, Run] = {}
        self.lost: list[str] = []
        self._model = model
        self._settings = make_settings
        self._seed = seed
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._acts: tuple[Callable[[random.Random], None], ...] = (
            self.start, self.start, self.steer, self.checkpoint, self.pause, self.interrupt, self.delete, self.undo,
            self.rename, self.look, self.verify, self.ask_the_model,
        )  # fmt: skip

    @contextmanager
    def at_work(self, clients: int, programs: int) -> Iterator[None]:
        """The crowd works; when left, all have come to an end, the last run too.

        Raises:
            AssertionError: somebody never comes to an end.
        """
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]
        self._threads += [threading.Thread(target=self._program, args=(number,)) for number in range(programs)]
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._end()

    def _end(self) -> None:
        deadline = time.monotonic() + NO_DEADLOCK_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < deadline:
                self._interrupt_last()
                thread.join(0.2)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"
        self._interrupt_last()
        for run in self.runs.values():
            assert not run.wait(max(deadline - time.monotonic(), 1)).running, f"{run.settings.name} never ends"

    def _interrupt_last(self) -> None:
        if self.session.run is not None:
            self.session.run.controls.interrupt("the test is over")

    def _client(self, number: int) -> None:
        draw = random.Random(self._seed * 1000 + number)
        while not self._over.is_set():
            act = draw.choice(self._acts)
            self._counted(act.__name__, act, draw)
            time.sleep(REST_S * draw.random())

    def _program(self, number: int) -> None:
        """The command line in the same folders, under names that the pages use too."""
        draw = random.Random(self._seed * 1000 + 500 + number)
        while not self._over.is_set():
            code = Forked(self._command(draw.choice(NAMES))).wait()
            with self._lock:
                self.done[f"program ended with {code}"] += 1
            if code not in ANSWERS:
                self.faults.append(f"the command line ended with {code}")

    def _command(self, name: str) -> list[str]:
        folders = self.session.host.folders
        options = ["--model", str(self._model), "--user-data", str(folders.user_data), "--no-4bit"]
        return ["train", str(folders.user_data / "settings.json"), *options, "--set", f"name={name}"]

    def _counted(self, name: str, act: Callable[[random.Random], None], draw: random.Random) -> None:
        try:
            act(draw)
        except UserError as error:
            with self._lock:
                self.refused[name] += 1
            if not str(error).strip():
                self.faults.append(f"{name} was refused without a sentence")
        except Exception as error:
            logging.getLogger(__name__).exception("in %s", name)
            self.faults.append(f"{name}: {type(error).__name__}: {error}")
        else:
            with self._lock:
                self.done[name] += 1

    # -- what one does --------------------------------------------------------------------------------------------

    def start(self, draw: random.Random) -> None:
        run = self.session.start(self._settings(name=draw.choice(NAMES)), existing=draw.choice(WAYS))
        with self._lock:
            self.runs[id(run)] = run

    def _run(self) -> Run | None:
        return self.session.run

    def steer(self, draw: random.Random) -> None:
        run = self._run()
        if run is not None:
            run.controls.set(learning_rate_scale=draw.choice([0.5, 1.0, 2.0]), loss_window=draw.randint(1, 9))

    def checkpoint(self, draw: random.Random) -> None:
        run = self._run()
        if run is not None:
            run.controls.ask_checkpoint()

    def pause(self, draw: random.Random) -> None:
        run = self._run()
        if run is not None:
            run.controls.pause()
            time.sleep(REST_S)
            run.controls.resume()

    def interrupt(self, draw: random.Random) -> None:
        """A command that must not be lost: the run ends, and says so."""
        run = self._run()
        if run is None or draw.random() < 0.5:
            return
        run.controls.interrupt()
        if run.wait(NO_DEADLOCK_S).running:
            self.lost.append(f"{run.settings.name} was interrupted and went on")

    def delete(self, draw: random.Random) -> None:
        delete_run(self.session.host.folders, self.session.host.folders.loras / draw.choice(NAMES))

    def undo(self, draw: random.Random) -> None:
        there = aside_runs(self.session.host.folders)
        if there:
            put_back(self.session.host.folders, draw.choice(there).path)

    def rename(self, draw: random.Random) -> None:
        old, new = draw.sample(NAMES, 2)
        rename_run(self.session.host.folders, self.session.host.folders.loras / old, new)

    def look(self, draw: random.Random) -> None:
        for found in list_runs(self.session.host.folders):
            checkpoints(found.path)

    def verify(self, draw: random.Random) -> None:
        self.session.check(self._settings(name="look", max_tokens=draw.choice([32, 64])))

    def ask_the_model(self, draw: random.Random) -> None:
        self.session.host.generate("The lamp", 2)


@contextmanager
def errors_logged() -> Iterator[list[str]]:
    """Everything that is logged as an error of ours: the unexpected, which pages show as one sentence."""
    found: list[str] = []
    handler = _Keep(found)
    logger = logging.getLogger("training_pro")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        with contextlib.suppress(ValueError):
            logger.removeHandler(handler)


class _Keep(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(self.format(record))
