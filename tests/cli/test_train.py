"""``train``: exit codes, dry run, signals; in this process, on a tiny model."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from training_pro.cli.main import main
from training_pro.cli.train import Signals
from training_pro.folders import Folders
from training_pro.record.history import read_history
from training_pro.record.runs import summarize
from training_pro.settings import Settings
from training_pro.training.controls import Controls

SET = {"text_file": "tales.txt", "max_tokens": 64, "epochs": 1, "warmup_steps": 0, "rank": 4, "save_at_loss": 0}


@pytest.fixture
def command(folders: Folders, tiny_folder: Path) -> Callable[..., int]:
    """Calls ``train`` with these settings and options."""
    text = "\n\n\n".join(f"Chapter {n}. The keeper climbs. She counts {n + 90} steps." for n in range(8))
    (folders.datasets / "tales.txt").write_text(text, encoding="utf-8")

    def call(*options: str, **changes: object) -> int:
        given = [f"--set={name}={value}" for name, value in {**SET, "name": "tales", **changes}.items()]
        host = ["--model", str(tiny_folder), "--no-4bit", "--user-data", str(folders.user_data)]
        return main(["train", *host, *given, *options])

    return call


def everything_in(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_run_ends_with_one_line_of_json_and_the_same_command_again_is_refused(
    command: Callable[..., int], folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--json") == 0
    said, watched = capsys.readouterr()
    result = json.loads(said)
    assert (result["ending"], result["update"], result["exit_code"]) == ("finished", 2, 0)
    assert Path(result["folder"]) == folders.loras / "tales"
    progress = [line for line in watched.split("\n") if "smoothed" in line]
    assert progress[-1].startswith("done: 2/2") and not any("\r" in line for line in progress)
    assert command("--json") == 4
    assert "is finished" in json.loads(capsys.readouterr().out)["refused"]
    assert command("--existing", "refuse") == 4
    assert command("--existing", "replace", stop_at_loss=10) == 0
    assert summarize(folders.loras / "tales").state == "stopped"


def test_a_dry_run_says_what_verify_says_and_writes_nothing(
    command: Callable[..., int], folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything_in(folders.user_data)
    assert command("--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["facts"]["samples"], found["plan"]["total_updates"]) == (8, 2)
    assert command("--dry-run") == 0
    assert "Updates        2 an epoch, 2 in all" in capsys.readouterr().out
    assert everything_in(folders.user_data) == before


def test_a_finished_run_is_trained_further_by_its_name_alone(
    command: Callable[..., int], folders: Folders, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No settings file: those of the run, with ``--set`` over them."""
    assert command(learning_rate=1e-3) == 0
    host = ["--model", str(tiny_folder), "--no-4bit", "--user-data", str(folders.user_data)]
    words = ["train", *host, "--set=name=tales", "--set=learning_rate=5e-4", "--further", "2"]
    before = everything_in(folders.user_data)
    capsys.readouterr()
    assert main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "4 more after 2, 6 in all" in said and "from update 2 to 6" in said and "0.0005" in said
    assert everything_in(folders.user_data) == before
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["ending"], result["update"], result["total_updates"]) == ("finished", 6, 6)
    assert summarize(folders.loras / "tales").updates == 6


def test_what_cannot_be_trained_further_is_refused_before_anything_happens(
    command: Callable[..., int], folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--further", "1") == 2
    assert command(stop_at_loss=10) == 0
    capsys.readouterr()
    assert command("--further", "1", stop_at_loss=10) == 2
    assert "stop_at_loss=0" in capsys.readouterr().err
    assert command("--further", "1", rank=8) == 2
    assert summarize(folders.loras / "tales").state == "stopped"


def test_a_new_run_starts_from_a_lora_or_one_of_its_checkpoints(
    command: Callable[..., int], folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(save_steps=1) == 0
    capsys.readouterr()
    assert command("--json", name="second", start_from="tales/checkpoint-1", rank=32) == 0
    result = json.loads(capsys.readouterr().out)
    assert any("LoRA Rank 4" in note and "tales/checkpoint-1" in note for note in result["notes"])
    assert json.loads((folders.loras / "second" / "training_parameters.json").read_text())["rank"] == 4
    assert command(name="third", start_from="nobody") == 2
    assert "nobody" in capsys.readouterr().err
    assert command("--existing", "replace", start_from="tales") == 2


def test_a_dry_run_knows_whether_an_unfinished_run_would_go_on_and_from_where(
    command: Callable[..., int], folders: Folders, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("training_pro.training.job.Job._save_adapter", lambda *_: 1 / 0)
        assert command(save_steps=1) == 1
    capsys.readouterr()
    assert command("--dry-run", save_steps=1) == 0
    assert "from checkpoint-2" in capsys.readouterr().out
    with (folders.datasets / "tales.txt").open("a", encoding="utf-8") as text:
        text.write(" She sleeps.")
    assert command("--dry-run", save_steps=1) == 2
    assert "can't be resumed exactly: changed since: text file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("text_file", "gone.txt", "gone.txt"),
        ("name", "a.b", "has a dot"),
        ("text_file", "", "No data is chosen"),
        ("optimizer", "nonsense", "nonsense"),
    ],
)
def test_bad_input_is_code_2_and_leaves_no_run(
    command: Callable[..., int],
    folders: Folders,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    said: str,
) -> None:
    assert command(**{name: value}) == 2
    assert said in capsys.readouterr().err
    assert list(folders.loras.iterdir()) == []


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_all_that_needs_no_model_is_told_at_once_before_it_is_loaded(
    command: Callable[..., int],
    folders: Folders,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    monkeypatch.setattr("training_pro.hosts.standalone.load_model_folder", lambda *_, **__: 1 / 0)
    rows = '[{"instruction": "Who?", "output": "The keeper."}]'
    (folders.datasets / "rows.json").write_text(rows, encoding="utf-8")
    wrong = {"name": "a.b", "text_file": "", "dataset": "rows.json", "format": "mine", "lr_scheduler_type": "steep"}
    assert command(*options, **wrong, eval_dataset="gone.json", optimizer="best", rank=0, epochs=-1) == 2
    said = capsys.readouterr().err.splitlines()
    expected = (
        "LoRA Rank (rank)",
        "Epochs (epochs)",
        "has a dot",
        "gone.json",
        "no Data Format 'mine'",
        "'steep'",
        "'best'",
    )
    assert len(said) == 7 and [sum(words in line for line in said) for words in expected] == [1] * 7
    assert command(*options, **{**wrong, "name": "fine", "dataset_kind": "poem"}) == 2
    assert capsys.readouterr().err.count("\n") == 1  # what hangs on a wrong value is not guessed at
    assert list(folders.loras.iterdir()) == []


def test_a_run_that_fails_in_training_is_code_1(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training_pro.training.behaviours.meter.Meter.after_update", lambda *_, **__: 1 / 0)
    assert command() == 1
    assert "Something unexpected" in capsys.readouterr().err


def test_sigterm_saves_and_leaves_with_code_3_and_the_same_command_goes_on(
    command: Callable[..., int], folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    history = folders.loras / "tales" / "training_history.jsonl"

    def end_it() -> None:
        end = time.monotonic() + 120
        while signal.getsignal(signal.SIGTERM) == signal.SIG_DFL or not (
            history.is_file() and len(read_history(history).points)
        ):
            if time.monotonic() > end:
                return  # the signal would end the tests
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    ender = threading.Thread(target=end_it)
    ender.start()
    assert command(epochs=500) == 3
    ender.join()
    assert "ended by SIGTERM" in capsys.readouterr().out
    summary = summarize(folders.loras / "tales")
    assert summary.state == "interrupted" and summary.checkpoints
    assert (folders.loras / "tales" / "adapter_model.safetensors").is_file()
    assert command(epochs=500, stop_at_epoch=summary.updates // 2 + 2) == 0
    assert summarize(folders.loras / "tales").updates > summary.updates


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr("training_pro.cli.train._end_at_once", ended.append)
    controls = Controls(Settings())
    with Signals(controls.interrupt):
        os.kill(os.getpid(), number)
        assert controls.interrupt_reason == f"ended by {signal.Signals(number).name}"
        assert ended == []
        os.kill(os.getpid(), number)
    assert ended == [128 + number]
