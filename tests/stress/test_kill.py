"""A run killed with ``kill -9`` at any moment is gone on with by the same command, to the very same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.stress.killing import (
    AfterTheStart,
    Command,
    Due,
    Forked,
    InsideAWrite,
    check_what_a_kill_left,
    killed_when,
    left_unfinished,
)
from training_pro.cli.common import ExitCode
from training_pro.folders import Folders
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.record.runs import summarize

TEXT = "\n\n\n".join(
    f"Night {n}. The keeper of lamp {n} climbs {n + 90} steps. A ship answers her: {n % 7} short, {n % 3} long."
    for n in range(40)
)
KILLS = 20
KILLS_INSIDE_A_WRITE = 8
KILLS_FURTHER = 10
SEED = 20


@dataclass(frozen=True)
class Training:
    """A user data folder, the settings in it, and the model."""

    folders: Folders
    model: Path
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path, model: Path, settings: dict[str, Any], *changes: str) -> Training:
        folders = Folders.under(folder)
        folders.make()
        (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
        (folders.user_data / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        return cls(folders, model, changes)

    def command(self, name: str) -> list[str]:
        settings, user_data = self.folders.user_data / "settings.json", self.folders.user_data
        options = ["--model", str(self.model), "--user-data", str(user_data), "--set", f"name={name}"]
        return ["train", str(settings), *options, *self.changes]

    def run(self, name: str) -> Path:
        return self.folders.loras / name

    def adapter(self, name: str) -> bytes:
        return (self.run(name) / "adapter_model.safetensors").read_bytes()


def small(**changes: Any) -> dict[str, Any]:
    return {
        "text_file": "tales.txt",
        "max_tokens": 32,
        "epochs": 1,
        "batch_size": 2,
        "warmup_steps": 2,
        "rank": 8,
        "dropout": 0.1,
        "neftune_noise_alpha": 2.0,
        "save_steps": 1,
        "save_at_loss": 0,
        "learning_rate": 1e-3,
        **changes,
    }


def check_end(training: Training, name: str, wanted: bytes) -> None:
    """The run is finished as if nothing had happened."""
    run = training.run(name)
    found = summarize(run)
    assert (found.state, found.fault) == ("finished", "")
    assert left_unfinished(run) == []
    history = read_history(run / HISTORY_FILE)
    assert history.torn_lines == 0
    assert [point.update for point in history.points] == list(range(1, found.total_updates + 1))
    assert training.adapter(name) == wanted


@pytest.fixture(scope="module")
def tiny_training(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Training:
    """A tiny model, and its uninterrupted run "whole"."""
    folder = tmp_path_factory.mktemp("tiny kills")
    training = Training.of(folder / "u", tiny_folder, small(epochs=0.2, warmup_steps=1), "--no-4bit")
    assert Forked(training.command("whole")).wait() == 0
    return training


@pytest.mark.stress
def test_killed_three_times_also_inside_a_checkpoints_writing(tiny_training: Training) -> None:
    """The short form, on a tiny model."""
    run, inside = tiny_training.run("killed"), 0
    for number, seconds in ((2, 0.0), (2, 0.004), (1, 0.03)):
        assert killed_when(Forked(tiny_training.command("killed")), InsideAWrite(run, number, seconds))
        inside += bool(left_unfinished(run))
        check_what_a_kill_left(run, interval=1)
    assert inside >= 1
    assert Forked(tiny_training.command("killed")).wait() == 0
    check_end(tiny_training, "killed", tiny_training.adapter("whole"))


@pytest.mark.stress
def test_ended_by_sigterm_it_saves_and_can_be_gone_on_with(tiny_training: Training) -> None:
    run = tiny_training.run("ended")
    child, due = Forked(tiny_training.command("ended")), InsideAWrite(run, 2)
    while not due():
        assert child.running(), "the run ended before it could be asked to"
    assert child.pid
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait() == ExitCode.INTERRUPTED
    found = summarize(run)
    assert (found.state, found.reason, found.fault) == ("interrupted", "ended by SIGTERM", "")
    assert found.checkpoints[-1].complete
    assert (run / "adapter_model.safetensors").is_file()
    assert left_unfinished(run) == []
    assert Forked(tiny_training.command("ended")).wait() == 0
    check_end(tiny_training, "ended", tiny_training.adapter("whole"))


def further(training: Training, name: str) -> list[str]:
    """The command that trains the run "whole" further, under this name."""
    if not training.run(name).is_dir():
        shutil.copytree(training.run("whole"), training.run(name))
    return [*training.command(name), "--further", "0.3"]


def check_further(training: Training, name: str, wanted: bytes) -> None:
    check_end(training, name, wanted)
    events = read_history(training.run(name) / HISTORY_FILE).events
    assert {event.update for event in events if event.kind == "part"} == {summarize(training.run("whole")).updates}


@pytest.mark.stress
def test_killed_while_it_is_trained_further(tiny_training: Training) -> None:
    """The short form, on a tiny model: at the first checkpoint of the new part, and once more inside the second."""
    assert Forked(further(tiny_training, "further")).wait() == 0
    run = tiny_training.run("further killed")
    for number, seconds in ((1, 0.0), (1, 0.004)):
        assert killed_when(Forked(further(tiny_training, "further killed")), InsideAWrite(run, number, seconds))
        check_what_a_kill_left(run, interval=1)
    assert Forked(further(tiny_training, "further killed")).wait() == 0
    check_further(tiny_training, "further killed", tiny_training.adapter("further"))


@pytest.fixture(scope="module")
def smol_training(tmp_path_factory: pytest.TempPathFactory, smol_4bit_folder: Path) -> tuple[Training, float]:
    """The uninterrupted run "whole", and how many seconds it took from its first file to its end."""
    folder = tmp_path_factory.mktemp("kills")
    training = Training.of(folder / "u", smol_4bit_folder, small(epochs=0.2, warmup_steps=1))
    child, due = Command(training.command("whole"), folder / "log"), AfterTheStart(training.run("whole"), 0.0)
    while not due():
        assert child.running(), (folder / "log").read_text()
        time.sleep(0.01)
    began = time.monotonic()
    assert child.wait() == 0, (folder / "log").read_text()
    return training, time.monotonic() - began


def moment(run: Path, number: int, seconds: float, writes: int = 7) -> Due:
    """One of the random moments of a run that takes so long; the first ones are inside a checkpoint's writing."""
    draw = random.Random(SEED * 1000 + number)
    if number < KILLS_INSIDE_A_WRITE:
        return InsideAWrite(run, draw.randint(1, writes), draw.choice((0.0, 0.01, 0.02, 0.04)))
    return AfterTheStart(run, draw.uniform(0.0, 0.95 * seconds))


@pytest.mark.stress
@pytest.mark.promise("killed")
@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_a_random_moment(smol_training: tuple[Training, float], number: int) -> None:
    """SmolLM2 in 4-bit, real commands."""
    training, seconds = smol_training
    log = training.folders.user_data / "log"
    for share in (1.0, 0.5, 0.25):  # where the first run was timed on a busy machine, a moment may lie behind the end
        name = f"killed{number} at {int(share * 100)}"
        run = training.run(name)
        killed = killed_when(Command(training.command(name), log), moment(run, number, seconds * share))
        if killed and summarize(run).state != "finished":
            break
    else:
        pytest.fail("every run ended before its moment came")
    inside = left_unfinished(run)
    check_what_a_kill_left(run, interval=1)
    assert Command(training.command(name), log).wait() == 0, log.read_text()
    check_end(training, name, training.adapter("whole"))
    sys.stdout.write(f"kill {number}: {'inside the writing of ' + str(inside) if inside else 'between writes'}\n")


@pytest.fixture(scope="module")
def further_training(smol_training: tuple[Training, float]) -> tuple[Training, float]:
    """The run "whole" trained further without a kill as "further", and how many seconds its new part took."""
    training, _ = smol_training
    log = training.folders.user_data / "log"
    command = further(training, "further")
    child, due = Command(command, log), AfterTheStart(training.run("further"), 0.0)
    while not due():
        assert child.running(), log.read_text()
        time.sleep(0.01)
    began = time.monotonic()
    assert child.wait() == 0, log.read_text()
    return training, time.monotonic() - began


@pytest.mark.stress
@pytest.mark.promise("killed")
@pytest.mark.parametrize("number", range(KILLS_FURTHER))
def test_killed_at_a_random_moment_of_the_new_part(further_training: tuple[Training, float], number: int) -> None:
    """SmolLM2 in 4-bit, real commands; the same command resumes the new part."""
    training, seconds = further_training
    log = training.folders.user_data / "log"
    for share in (1.0, 0.5, 0.25):
        name = f"further{number} at {int(share * 100)}"
        command, run = further(training, name), training.run(name)
        killed = killed_when(Command(command, log), moment(run, 2 * number, seconds * share, writes=5))
        if killed and summarize(run).state == "unfinished":
            break
    else:
        pytest.fail("every run ended before its moment came")
    check_what_a_kill_left(run, interval=1)
    assert Command(command, log).wait() == 0, log.read_text()
    check_further(training, name, training.adapter("further"))
