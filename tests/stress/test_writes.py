"""A run stopped before each of its writes, by a kill or by losing power: nothing is lost, and it can go on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.promises import Cases
from tests.stress.aftermath import Expected, check_history, check_left, digest, go_on
from tests.stress.power_cut import Disk, Moment, Tree, half_written, rebuild
from tests.stress.writes import is_passing
from tests.test_session import TEXT
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.aside import ASIDE_FOLDER
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.record.lock import LOCKS_FOLDER
from training_pro.record.whole_files import is_temporary
from training_pro.session import Existing, Session
from training_pro.settings import Settings, to_json

INTERVAL = 2
PARTS = 10
LOOK, GO_ON = 3, 30  # of so many states, the ordinary tests look at one, and go on with one


@dataclass(frozen=True)
class State:
    """A folder as something left it."""

    what: str
    updates: int  # done when it happened
    tree: Tree


@dataclass(frozen=True)
class Traced:
    """A run, what is expected after it, and every state that it may be stopped in."""

    expected: Expected
    model: Path
    states: list[State]
    writes: Counter[str]


def small(**changes: object) -> Settings:
    values: dict[str, object] = {
        "name": "tales",
        "text_file": "tales.txt",
        "max_tokens": 64,
        "epochs": 0.75,
        "warmup_steps": 1,
        "rank": 4,
        "dropout": 0.1,
        "save_at_loss": 0,
        "save_steps": INTERVAL,
        "keep_checkpoints": 2,
        "learning_rate": 1e-3,
    }
    return Settings(**{**values, **changes})


def user_data(folder: Path) -> Folders:
    folders = Folders.under(folder)
    folders.make()
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    (folders.presets / "mine.json").write_text('{"rank": 8}', encoding="utf-8")
    return folders


def train(folders: Folders, model: Path, settings: Settings, existing: Existing = "ask") -> Path:
    session = Session(StandaloneHost(folders, model, load_in_4bit=False))
    run = session.start(settings, existing)
    ending = run.wait(120).ending
    session.settle()  # its channel is gone too, before anybody looks at the folder
    assert ending is not None and ending.kind == "finished", ending
    return run.folder


def traced(folder: Path, model: Path, override: bool) -> Traced:
    """A run that is watched, after an older one of the same name that it replaces, or of another name."""
    folders = user_data(folder / "watched")
    older = train(folders, model, small(name="tales" if override else "older", seed=3, save_steps=0, epochs=0.3))
    shutil.rmtree(folders.cache)  # so that the run writes that too
    untouched = [p for p in folders.user_data.rglob("*") if p.is_file() and (not override or older not in p.parents)]
    untouched = [p for p in untouched if p.suffix != ".lock" and not any(is_passing(part) for part in p.parts)]
    aside = digest(older / "adapter_model.safetensors") if override else ""
    digests = {path.relative_to(folders.user_data).as_posix(): digest(path) for path in untouched}
    settings = small(override=override)
    disk = Disk(folders.user_data)
    with disk.recording():
        run = train(folders, model, settings, "replace" if override else "ask")
    expected = Expected(settings, (run / "adapter_model.safetensors").read_bytes(), INTERVAL, digests, aside)
    states = list(distinct(all_states(disk.moments, settings, folder)))
    return Traced(expected, model, states, Counter(moment.write for moment in disk.moments))


def all_states(moments: list[Moment], settings: Settings, folder: Path) -> Iterator[State]:
    """As a kill before and inside each write leaves the folder, and as losing power there leaves it."""
    for moment in moments:
        updates = updates_done(moment, settings, folder)
        for kind in ("killed", "strict", "names_only", "torn"):
            yield State(f"{moment.write}, {kind}", updates, getattr(moment, kind))
    for moment, tree in half_written(moments):
        yield State(f"after {moment.write}, half written", updates_done(moment, settings, folder), tree)


def distinct(states: Iterator[State]) -> Iterator[State]:
    """Those that differ in what is there, or in how far the run was."""
    seen: set[int] = set()
    for state in states:
        key = hash((state.updates, frozenset(state.tree.items())))
        if key not in seen:
            seen.add(key)
            yield state


def updates_done(moment: Moment, settings: Settings, folder: Path) -> int:
    """How far the run was; 0 while an older one of its name is still there."""
    place = f"loras/{settings.name}"
    if f"{place}/{HISTORY_FILE}" not in moment.killed or settings.override and _of_the_older(moment, place):
        return 0
    path = folder / "history"
    path.write_bytes(moment.killed[f"{place}/{HISTORY_FILE}"] or b"")
    points = read_history(path).points
    return points[-1].update if len(points) else 0


def _of_the_older(moment: Moment, place: str) -> bool:
    return b'"override": true' not in (moment.killed.get(f"{place}/training_parameters.json") or b"")


def survive(traced: Traced, state: State, folder: Path, then_go_on: bool) -> None:
    folders = Folders.under(folder / "u")
    rebuild(state.tree, folders.user_data)
    folders.make()
    check_left(folders, traced.expected, state.updates)
    check_history(folders.loras / traced.expected.settings.name, torn=1)
    if then_go_on:
        go_on(folders, traced.model, traced.expected)
        check_left(folders, traced.expected, 0)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", params=["new", "override"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Traced:
    with pytest.MonkeyPatch.context() as patch:
        as_a_process_that_has_died(patch)
        return traced(tmp_path_factory.mktemp("traced"), tiny_folder, request.param == "override")


def as_a_process_that_has_died(patch: pytest.MonkeyPatch) -> None:
    """This process plays those that are killed: seen from the next start, they are gone."""
    patch.setattr("training_pro.record.whole_files.lives", lambda mark: False)
    patch.setattr("training_pro.record.state.lives", lambda mark: False)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    as_a_process_that_has_died(monkeypatch)
    monkeypatch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")


def tries(run: Traced, picked: range, go_on_every: int, folder: Path, cases: Cases) -> None:
    faults = []
    for number in picked:
        state = run.states[number]
        try:
            survive(run, state, folder / str(number), then_go_on=number % go_on_every == 0)
            cases.count(True)
        except Exception as error:  # noqa: BLE001 - all of them are wanted, not the first
            where = traceback.extract_tb(error.__traceback__)[-1]
            faults.append(f"{number} {state.what}: {where.name}: {type(error).__name__}: {str(error)[:300]}")
            cases.count(False)
    assert not faults, "\n".join(faults)


@pytest.mark.stress
def test_some_states(run: Traced, quick: None, tmp_path: Path, cases: Cases) -> None:
    """Some states are looked at; from some of those the run goes on."""
    tries(run, range(0, len(run.states), LOOK), GO_ON, tmp_path, cases)
    assert cases.tried > 60


@pytest.mark.stress
@pytest.mark.promise("stopped")
@pytest.mark.parametrize("part", range(PARTS))
def test_every_state(run: Traced, part: int, quick: None, tmp_path: Path, cases: Cases) -> None:
    tries(run, range(part, len(run.states), PARTS), 1, tmp_path, cases)


@pytest.mark.stress
def test_the_writes_were_found(run: Traced) -> None:
    """Those that must be there, whatever else is."""
    calls = {write.split()[0] for write in run.writes}
    assert calls >= {"open", "fsync", "replace", "mkdir", "rmdir", "unlink", "write", "ftruncate"}
    assert calls >= {"torch.save", "save_file"}


@pytest.mark.stress
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_system_saw_no_write_that_was_not_watched(run: Traced, tiny_folder: Path, tmp_path: Path) -> None:
    """The system's own trace of a process that does the same run, held against what was found by watching."""
    if run.expected.settings.override:
        pytest.skip("a trace is slow, and both kinds of run write by the same calls; the other one is traced")
    folders = user_data(tmp_path / "u")
    (folders.loras / ASIDE_FOLDER / LOCKS_FOLDER).mkdir(parents=True)  # of the older run
    settings, log = tmp_path / "settings.json", tmp_path / "trace"
    settings.write_text(to_json(run.expected.settings), encoding="utf-8")
    options = ["--user-data", str(folders.user_data), "--model", str(tiny_folder), "--no-4bit"]
    command = [sys.executable, "-m", "training_pro", "train", str(settings), *options]
    subprocess.run(["strace", "-f", "-y", "-e", f"trace={TRACED}", "-o", str(log), *command], check=True)
    seen = set(written_paths(log.read_text(errors="replace"), str(folders.user_data)))
    watched = {write.partition(" ")[2] for write in run.writes}
    staged = {path.partition("/~")[0] for path in watched if "~" in path}
    missed = [path for path in seen - watched if "~" not in path or path.partition("/~")[0] not in staged]
    assert len(seen) > 10
    assert not missed, "\n".join(sorted(missed))


TRACED = "openat,open,creat,rename,renameat,renameat2,unlink,mkdir,rmdir,fsync,ftruncate,write,pwrite64,writev"


def written_paths(trace: str, root: str) -> Iterator[str]:
    """What the traced calls wrote below `root`, temporaries as "~"."""
    for line in trace.splitlines():
        call = line.split(None, 1)[-1]
        if call.startswith("open") and not re.search(r"O_(WRONLY|RDWR|CREAT)", call) or " = -1 " in call:
            continue
        paths = re.findall(rf'[<"]{re.escape(root)}/([^>"]+)[>"]', call)
        for path in paths[:1] if call.startswith("rename") else paths:  # a rename is told by what is renamed
            if any(is_passing(part) or part.startswith("#") for part in path.split("/")):  # "#": a file without a name
                continue
            yield "/".join("~" if is_temporary(part) else part for part in path.removesuffix(" (deleted)").split("/"))
