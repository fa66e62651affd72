"""Several runs from the command line: one after another, gone on with after an end, compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training_pro.cli.main import main
from training_pro.folders import Folders
from training_pro.session import Session

TEXT = "\n\n\n".join(f"Chapter {n}. The lamp keeper climbs the tower. She counts {n + 90} steps." for n in range(6))
SETTINGS = {"text_file": "tales.txt", "max_tokens": 64, "epochs": 1, "warmup_steps": 0, "rank": 4, "save_at_loss": 0}


@pytest.fixture
def call(folders: Folders, tiny_folder: Path) -> list[str]:
    """The options that every call here has."""
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    return ["--model", str(tiny_folder), "--no-4bit", "--user-data", str(folders.user_data)]


def written(folder: Path, name: str, **more: object) -> str:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**SETTINGS, "name": name, **more}), encoding="utf-8")
    return str(path)


def test_a_failed_run_stops_no_other_and_the_same_command_does_what_is_left(
    call: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Session, "vet", lambda *_: [])  # a fault that shows in the run alone
    files = [written(tmp_path, "one"), written(tmp_path, "two", targets="own list", target_modules="nope")]
    files.append(written(tmp_path, "three"))
    assert main(["queue", *files, *call]) == 1
    said = capsys.readouterr().out
    assert "one    finished" in said and "three  finished" in said
    assert "two    failed" in said and "no module named nope" in said
    assert not folders.queue.exists()
    assert main(["queue", *files, *call, "--set", "override=false"]) == 1
    again = capsys.readouterr().out
    assert 'The run "one" has already finished.' in again and "two  failed" in again


def test_all_faults_of_all_files_before_anything_starts(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], folders: Folders
) -> None:
    assert main(["queue", written(tmp_path, "one", rank=0), str(tmp_path / "gone.json"), *call]) == 2
    said = capsys.readouterr().err
    assert "one.json: LoRA Rank" in said and "gone.json" in said
    assert main(["queue", written(tmp_path, "one"), written(tmp_path, "two", text_file="no.txt"), *call]) == 2
    assert "two: " in capsys.readouterr().err
    assert list(folders.loras.iterdir()) == []


def test_an_experiment_ends_with_its_runs_compared(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], folders: Folders
) -> None:
    command = ["experiment", written(tmp_path, "study"), "--over", "gradient_accumulation_steps=1,2", *call]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "Gradient Accumulation Steps" in said and "study-accumulation-2" in said
    page = (folders.experiments / "study-accumulation.html").read_text(encoding="utf-8")
    assert "study-accumulation-1" in page and "tp-c1" in page and "Last smoothed loss" in page
    assert main(command) == 0
    assert "has already finished" in capsys.readouterr().out


def test_an_experiment_without_values_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", written(tmp_path, "study"), "--over", "rank"]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err
