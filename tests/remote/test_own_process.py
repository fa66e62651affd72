"""A run in a process of its own: the host's model makes room and is back, whatever becomes of the child."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.training.model.fingerprint import model_fingerprint
from training_pro.errors import BusyError, RunError, SettingsError
from training_pro.folders import Folders
from training_pro.hosts.host import ModelSource, Quantizing
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.process import this_process
from training_pro.record.runs import summarize
from training_pro.remote.channel import channels, read_live
from training_pro.remote.launching import OwnProcess, shell_line, train_command
from training_pro.remote.own_process import OwnProcessRun, check_device, exit_words, refusal_in
from training_pro.remote.snapshot import Live
from training_pro.session import NameTaken, Session
from training_pro.settings import Settings
from training_pro.training.resume import Begin
from training_pro.training.run import Run
from training_pro.training.status import RunStatus

TEXT = "\n\n\n".join(f"Chapter {n}. The keeper climbs. She counts {n + 90} steps." for n in range(8))
OWN = OwnProcess()


@pytest.fixture
def session(folders: Folders, tiny_folder: Path) -> Iterator[Session]:
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    made = Session(StandaloneHost(folders, tiny_folder, load_in_4bit=False, dtype="float32"))
    yield made
    if made.run is not None and made.run.status.running:  # a test that failed leaves no child that trains on
        made.run.controls.interrupt("the test is over")
        made.run.wait(60)


def settings(**changes: object) -> Settings:
    values = {"name": "tales", "text_file": "tales.txt", "max_tokens": 64, "warmup_steps": 0, "rank": 4}
    return Settings(**{**values, "epochs": 10_000, "save_steps": 20, "keep_checkpoints": 2, **changes})


def until(run: Run, happened: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert run.status.running or happened(), run.status.ending
        assert time.monotonic() < end, run.status
        time.sleep(0.02)


def child_of(session: Session) -> int:
    live = read_live(channels(session.host.folders.loras)[0])
    assert live is not None and live.process.pid != os.getpid()
    return live.process.pid


def test_a_killed_child_leaves_the_host_with_its_model_and_the_run_goes_on_where_it_was(session: Session) -> None:
    before = model_fingerprint(session.host.trainable_model().model)
    said = session.host.generate("The keeper", 5)
    run = session.start(settings(), where=OWN)
    until(run, lambda: run.status.checkpoints)
    assert "in its own process" in run.sentence() and run.history is not None and len(run.history.points) > 0
    os.kill(child_of(session), signal.SIGKILL)
    ending = run.wait(120).ending
    assert ending is not None and ending.kind == "failed"
    assert "signal 9, SIGKILL" in ending.reason and "from checkpoint-" in ending.reason
    assert summarize(run.folder).state == "unfinished"
    assert model_fingerprint(session.host.trainable_model().model) == before
    assert session.host.generate("The keeper", 5) == said
    with pytest.raises(NameTaken) as taken:
        session.start(settings(), where=OWN)
    assert taken.value.can_continue

    again = session.start(settings(), "continue", where=OWN)
    until(again, lambda: again.status.phase == "training" and again.status.update >= 25)
    assert again.history is not None
    assert any(event.text.startswith("continued from checkpoint-") for event in again.history.events)
    again.controls.set(stop_at_loss=0.01)  # which it does not reach
    until(again, lambda: again.controls.taken.stop_at_loss == 0.01)
    again.controls.pause()
    until(again, lambda: again.status.phase == "paused")
    again.controls.interrupt("the test is over")
    ending = again.wait(120).ending
    assert ending is not None and (ending.kind, ending.reason) == ("interrupted", "the test is over")
    assert summarize(again.folder).state == "interrupted"
    assert channels(session.host.folders.loras) == []
    assert model_fingerprint(session.host.trainable_model().model) == before


def test_what_the_child_refuses_is_said_and_leaves_nothing(session: Session) -> None:
    run = session.start(settings(text_file="gone.txt"), where=OWN)
    waiting = threading.Thread(target=run.wait, daemon=True)  # without a limit, as the queue does
    waiting.start()
    waiting.join(180)
    ending = run.status.ending
    assert not waiting.is_alive(), "whoever waits for the run is not told of its end"
    assert ending is not None and ending.kind == "failed" and "gone.txt" in ending.reason
    assert not run.folder.exists() and not session.busy
    assert session.host.loaded_model().model is not None


def test_a_run_elsewhere_is_watched_and_steered_and_left(session: Session, tiny_folder: Path) -> None:
    session.watched = True
    run = session.start(settings())
    until(run, lambda: run.status.update > 0)
    other = Session(StandaloneHost(session.host.folders, tiny_folder, load_in_4bit=False))
    assert [live.name for live in other.elsewhere()] == ["tales"] and session.elsewhere() == []
    with pytest.raises(RunError, match="nobody"):
        other.attach("nobody")
    other.attach_own()
    watched = other.run
    assert watched is not None and watched.settings == run.settings
    until(watched, lambda: watched.history is not None and len(watched.history.points) > 3)
    with pytest.raises(BusyError, match='"tales" is in progress'):
        other.start(settings(name="second"))
    watched.controls.set(stop_at_epoch=7_777, learning_rate_scale=0.5)
    until(watched, lambda: run.controls.taken.stop_at_epoch == 7_777)
    until(watched, lambda: watched.controls.taken.learning_rate_scale == 0.5)
    other.leave()
    assert not watched.wait(60).running and not other.busy and run.status.running
    again = other.attach("tales")
    run.controls.interrupt("done")
    ending = again.wait(60).ending
    assert ending is not None and (ending.kind, ending.reason) == ("interrupted", "done")
    assert channels(session.host.folders.loras) == []
    run.wait(60)


def test_a_run_of_ones_own_is_not_left(session: Session) -> None:
    with pytest.raises(RunError, match="this session"):
        session.leave()


@pytest.mark.parametrize(
    ("where", "launcher"),
    [
        (OWN, ""),
        (OwnProcess(2), "-m torch.distributed.run --standalone --nproc-per-node 2 "),
        (OwnProcess(1, "{config}"), "-m accelerate.commands.launch --config_file {config} "),
        (OwnProcess(4, "{config}"), "-m accelerate.commands.launch --config_file {config} --num_processes 4 "),
    ],
)
def test_the_command(where: OwnProcess, launcher: str, tmp_path: Path, folders: Folders) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("{}", encoding="utf-8")
    where = OwnProcess(where.processes, where.accelerate_config.replace("{config}", str(config)))
    where.check()
    source = ModelSource(tmp_path / "my model", Quantizing("4-bit", "bfloat16", "fp4", True), "float16", on_cpu=True)
    line = shell_line(train_command("t.json", source, folders, where), source)
    assert line == (
        f"python {launcher.replace('{config}', str(config))}-m training_pro train t.json "
        f"--user-data {folders.user_data} --model '{tmp_path}/my model' --quantization 4-bit --dtype float16 "
        "--compute-dtype bfloat16 --quant-type fp4 --double-quant"
    )


def test_the_command_is_one_that_our_command_line_takes(tmp_path: Path, folders: Folders) -> None:
    from training_pro.cli.main import parser

    source = ModelSource(tmp_path, Quantizing("8-bit"), "float16", on_cpu=False)
    moved = Folders.under(folders.user_data, tmp_path / "loras")
    words = train_command("t.json", source, moved, OWN)[3:]
    options = parser().parse_args(words)
    assert (options.command, options.model, options.quantization) == ("train", tmp_path, "8-bit")
    assert options.loras == moved.loras


def test_all_faults_of_a_place_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        OwnProcess(0, "/nowhere/a.yaml").check()
    assert "from 1 to 64" in str(caught.value) and "/nowhere/a.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-9, "was ended by signal 9, SIGKILL (by a kill, or by the system because memory ran out)"),
        (137, "was ended by signal 9, SIGKILL (by a kill, or by the system because memory ran out)"),
        (-11, "was ended by signal 11, SIGSEGV (a fault in a library's native code)"),
        (1, "ended with exit code 1"),
        (255, "ended with exit code 255"),
    ],
)
def test_exit_codes_in_words(code: int, said: str) -> None:
    assert exit_words(code) == said


@pytest.mark.parametrize("kind", ["xpu", "mps"])
def test_a_device_that_a_child_would_not_use_is_refused_while_the_model_is_still_there(kind: str) -> None:
    weight = SimpleNamespace(device=SimpleNamespace(type=kind))
    model = SimpleNamespace(get_input_embeddings=lambda: SimpleNamespace(weight=weight))
    released: list[bool] = []
    host = SimpleNamespace(trainable_model=lambda: SimpleNamespace(model=model), release=lambda: released.append(True))
    run: Any = SimpleNamespace(_host=host)
    with pytest.raises(RunError, match=f"{kind}.*In this process"):
        OwnProcessRun._with_room(run)
    assert released == []
    for usual in ("cpu", "cuda"):
        check_device(usual)


def test_what_was_noted_before_the_child_began_stays_among_its_notes(folders: Folders) -> None:
    host: Any = SimpleNamespace(folders=folders)
    run = OwnProcessRun(host, Settings(name="tales"), folders.loras / "tales", Begin(), OWN)
    run.note("The LoRA sea was unloaded.")
    theirs = RunStatus("tales", run.folder, "training", notes=("The rate falls.", "The LoRA sea was unloaded."))
    values = run.controls.values
    run._show(Live(this_process(), run.settings, theirs, values, values))
    assert run.status.notes == ("The LoRA sea was unloaded.", "The rate falls.")


def test_a_child_that_bitsandbytes_has_ended_is_explained(tmp_path: Path) -> None:
    """Its native code prints a line and ends the process with code 1."""
    log = tmp_path / "log"
    run: Any = SimpleNamespace(_child=SimpleNamespace(returncode=1), _log=log, _way_out=lambda: "Start it again.")
    for line, explained in (
        ("Error out of memory at line 380 in file /src/csrc/pythonInterface.cpp", True),
        ("", False),
    ):
        log.write_text(f"noise\n{line}\n")
        reason = OwnProcessRun._gone(run, None).reason
        assert "exit code 1" in reason and "Start it again." in reason
        assert ("bitsandbytes got no memory" in reason) is explained


def test_what_a_child_refused_with_is_found_in_its_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert refusal_in(log) is None
    log.write_bytes(b'noise \xff\n{"refused": "No such file."}\n{broken\nmore noise\n')
    assert refusal_in(log) == "No such file."
