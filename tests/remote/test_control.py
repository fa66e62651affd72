"""A run that goes is steered through the files of its channel, as another process does it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from training_pro.cli.main import main
from training_pro.errors import BusyError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.whole_files import write_json_whole
from training_pro.remote import trainer_side
from training_pro.remote.channel import COMMANDS, channel_folder, channels, open_channel, read_live
from training_pro.remote.trainer_side import PACE_S
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.training.run import Run

TEXT = "\n\n\n".join(f"Chapter {n}. The keeper climbs. She counts {n + 90} steps." for n in range(8))


@pytest.fixture
def session(folders: Folders, tiny_folder: Path) -> Session:
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    return Session(StandaloneHost(folders, tiny_folder, load_in_4bit=False))


@pytest.fixture
def run(session: Session) -> Iterator[Run]:
    """A run that does not end by itself, in training."""
    started = session.start(
        Settings(name="tales", text_file="tales.txt", max_tokens=64, epochs=10_000, warmup_steps=0, rank=4)
    )
    until(lambda: started.status.update > 0)
    yield started
    started.controls.interrupt()
    started.wait(60)
    session.settle(60)


@pytest.fixture
def control(folders: Folders, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Calls ``control`` on the run; its exit code and what it said."""

    def call(*words: str, name: str = "tales") -> tuple[int, str]:
        capsys.readouterr()
        code = main(["control", "--user-data", str(folders.user_data), name, *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


Control = Callable[..., tuple[int, str]]


def until(happened: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_every_command_is_taken_over_and_the_answer_says_so(run: Run, control: Control) -> None:
    code, said = control("stop-loss", "0.01")
    assert (code, run.controls.taken.stop_at_loss) == (0, 0.01)
    assert "In effect at update" in said and "stop at loss 0.01" in said
    assert control("learning-rate-scale", "0.5")[0] == 0 and run.controls.taken.learning_rate_scale == 0.5
    assert control("stop-epoch", "9999")[0] == 0 and run.controls.taken.stop_at_epoch == 9999
    code, said = control("checkpoint")
    assert code == 0 and said.startswith("Written: checkpoint-") and run.status.checkpoints
    code, said = control("sample", "The lamp", "keeper")
    assert run.history is not None
    (answered,) = [event for event in run.history.events if event.kind == "sample"]
    assert code == 0 and said == (
        f"> The lamp keeper\n{answered.details['answer']}\n\nAnswered after update {answered.update}.\n"
    )
    code, said = control("pause")
    assert code == 0 and run.status.phase == "paused" and "paused after update" in said
    assert "Phase          paused" in control("status")[1]
    assert control("resume") == (0, "The run continues.\n")
    until(lambda: run.status.phase != "paused")
    code, said = control("stop", "--json")
    assert code == 0 and json.loads(said)["taken"]
    assert run.wait(60).ending is not None and run.status.ending.reason == "interrupted from another terminal"


def test_the_runs_own_prompts_are_answered_and_twice_in_a_pause(session: Session, control: Control) -> None:
    settings = Settings(
        name="tales", text_file="tales.txt", max_tokens=64, epochs=10_000, warmup_steps=0, rank=4,
        sample_prompts="The lamp\nThe sea\n\nThe lamp", sample_tokens=4,
    )  # fmt: skip
    run = session.start(settings)
    try:
        until(lambda: run.status.update > 0)
        heard = [json.loads(control("sample", "--json")[1]) for _ in range(2)]
        assert [[answer["prompt"] for answer in one["answers"]] for one in heard] == [["The lamp", "The sea"]] * 2
        assert all(answer["update"] > 0 and answer["answer"] for one in heard for answer in one["answers"])
        assert control("pause")[0] == 0
        for _ in range(2):
            code, said = control("sample")
            assert code == 0 and said.count("> The ") == 2 and f"Answered after update {run.status.update}." in said
        assert control("sample", "A ship")[1].startswith("> A ship\n")
    finally:
        run.controls.interrupt()
        run.wait(60)
        session.settle(60)


def test_the_wait_for_an_answer_has_an_end(run: Run, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.training.behaviours.samples.SampleAnswers._answer_all", lambda *_: None)
    code, said = control("sample", "The lamp", "--wait", "5")
    assert code == 7 and "Not every prompt is answered yet" in said and "--wait" in said


BAD_COMMANDS = (
    (["stop-loss", "11"], "Stop at loss"),
    (["stop-loss", "low"], "is not a number"),
    (["stop-epoch"], "The value of stop-epoch is missing; write e.g.: stop-epoch 2"),
    (["stop-loss", "1", "2"], "takes one value, not 2"),
    (["learning-rate-scale", "-1"], "from 0 to 100"),
    (["sample"], "has no sample prompts"),
    (["pause", "now"], "takes no value"),
    (["explode"], "There is no command 'explode'"),
)


def test_a_bad_command_is_answered_with_a_sentence(run: Run, control: Control) -> None:
    before = run.controls.values
    for words, said in BAD_COMMANDS:
        code, heard = control(*words)
        assert code == 2 and said in heard, heard
        assert run.controls.values == before and run.status.running, words


def test_rubbish_in_the_channel_harms_nothing(run: Run, control: Control, tmp_path: Path) -> None:
    place = channel_folder(run.folder) / COMMANDS
    (place / "1.json").write_text("{", encoding="utf-8")
    (place / "2.json").write_text('{"do": "set", "values": {"rank": 5}}', encoding="utf-8")
    (place / "3.json").write_text("[" * 100_000, encoding="utf-8")
    (place / "4.json").write_text('{"do": ["x"], "text": 5}', encoding="utf-8")
    secret = tmp_path / "secret.json"
    secret.write_text('{"do": "stop"}', encoding="utf-8")
    (place / "5.json").symlink_to(secret)
    until(lambda: not list(place.iterdir()))
    assert control("stop-loss", "0.02")[0] == 0
    assert run.status.running and secret.is_file()


def test_the_channel_belongs_to_the_owner_alone_and_is_gone_at_the_end(run: Run, session: Session) -> None:
    channel = channel_folder(run.folder)
    assert channel.stat().st_mode & 0o077 == 0
    live = read_live(channel)
    assert live is not None and live.settings == run.settings and live.alive(channel)
    run.controls.interrupt()
    run.wait(60)
    session.settle(60)
    assert channels(run.folder.parent) == []


def test_a_stop_is_obeyed_though_its_answer_went_with_the_channel(
    run: Run, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_pro.remote.terminal_side.read_small", lambda *_: None)
    code, said = control("stop")
    assert (code, said) == (0, "The run has ended; the LoRA is saved.\n")


def test_the_next_run_of_the_name_keeps_its_channel(
    run: Run, session: Session, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that steered the first run looks once more, when the second has begun."""
    (first,) = [one for one in threading.enumerate() if one.name == "steering tales"]
    monkeypatch.setattr(trainer_side, "PACE_S", 10)
    time.sleep(2 * PACE_S)  # it has gone to sleep for so long
    run.controls.interrupt()
    run.wait(60)
    second = session.start(run.settings, "replace")
    assert first.is_alive()
    first.join(60)
    until(lambda: second.status.update > 0)
    live = read_live(channel_folder(second.folder))
    assert live is not None and live.status.running
    monkeypatch.undo()
    second.controls.interrupt()
    second.wait(60)


def test_no_such_run_and_one_that_has_ended(run: Run, session: Session, control: Control) -> None:
    code, said = control("pause", name="nobody")
    assert code == 6 and 'There is no run "nobody"' in said
    going = re.escape(f"In progress in {run.folder.parent}: tales (")
    assert re.search(going + r"[a-z]+, update \d+\)", said), said  # whatever its phase is just now
    code, said = control()
    assert code == 2 and "No command for the run 'tales'" in said and "status." in said
    run.controls.interrupt()
    run.wait(60)
    session.settle(60)
    code, said = control("pause")
    assert code == 6 and "is not running; it is interrupted" in said
    assert f"In progress in {run.folder.parent}: none.\nEnded: tales (interrupted)." in said


def test_a_call_without_a_run_says_which_there_are(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--user-data", str(folders.user_data)]
    assert main(["control", *place]) == 2
    assert f"There is no run in {folders.loras}" in capsys.readouterr().err
    for number in range(12):
        (folders.loras / f"old-{number:02}").mkdir()
        (folders.loras / f"old-{number:02}" / "training_history.jsonl").touch()
    assert main(["control", "status", *place]) == 2
    said = capsys.readouterr().err
    assert "Write: control RUN status" in said
    assert said.count("(unfinished)") == 10 and said.endswith(", 2 more.\n")


def dead_channel(run: Path, tiny: Settings, **process: object) -> Path:
    """What a killed process leaves: a status that says "training", and a command that it never took."""
    from training_pro.record.process import this_process
    from training_pro.remote.snapshot import Live
    from training_pro.training.controls import LiveValues
    from training_pro.training.status import RunStatus
    from training_pro.values import plain

    channel = channel_folder(run)
    (channel / COMMANDS).mkdir(parents=True)
    mark = {**vars(this_process()), **process}
    values = LiveValues(0, 0, 5)
    live = Live(type(this_process())(**mark), tiny, RunStatus(run.name, run, "training"), values, values)
    write_json_whole(channel / "status.json", plain(live))
    (channel / COMMANDS / "1.json").write_text('{"do": "stop"}', encoding="utf-8")
    return channel


def test_what_was_said_to_a_dead_run_is_never_heard_by_the_next(
    session: Session, folders: Folders, control: Control
) -> None:
    settings = Settings(name="tales", text_file="tales.txt", max_tokens=64, epochs=1, warmup_steps=0, rank=4)
    channel = dead_channel(folders.loras / "tales", settings, started="00000000")
    assert control("pause")[0] == 6
    assert session.start(settings).wait(120).ending.kind == "finished"
    session.settle(60)
    assert not channel.exists()


def test_a_run_that_lives_elsewhere_keeps_its_channel_and_the_model_its_lora(
    session: Session, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    unloaded: list[bool] = []
    monkeypatch.setattr(session.host, "loras_in_use", lambda: ["sea"])
    monkeypatch.setattr(session.host, "stop_using_loras", lambda: unloaded.append(True))
    settings = Settings(name="tales", text_file="tales.txt")
    channel = dead_channel(folders.loras / "tales", settings, machine="another")
    with pytest.raises(BusyError, match="in another process"):
        session.start(settings)
    assert not unloaded
    assert channel.is_dir()
    with pytest.raises(BusyError):
        open_channel(channel, {})
