"""An error's way out is shown as what to type: real errors, through the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training_pro.cli.main import main
from training_pro.cli.terminal import with_options
from training_pro.errors import SettingsError, UserError, faults_of
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.training.memory.forecast import ways_out

Shown = Callable[[list[str]], list[str]]


@pytest.fixture
def shown(folders: Folders, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> Shown:
    """The options that a refused command shows, on these folders and the tiny model."""

    def run(arguments: list[str]) -> list[str]:
        place = ["--user-data", str(folders.user_data), "--model", str(tiny_folder), "--no-4bit"]
        assert main([*arguments, *place]) != 0
        found = re.findall(r"\(command line: (.*)\)$", capsys.readouterr().err, re.MULTILINE)
        return [option for options in found for option in options.split(", ")]

    return run


def test_missing_data(shown: Shown) -> None:
    assert shown(["verify", "--set=rank=8"]) == ["--set text_file=FILE", "--set dataset=FILE"]


def test_a_name_that_is_taken(shown: Shown, folders: Folders) -> None:
    (folders.datasets / "t.txt").write_text("A tale of the sea and the keeper. " * 40, encoding="utf-8")
    (folders.loras / "t").mkdir()
    (folders.loras / "t" / "adapter_model.safetensors").write_bytes(b"another's")
    given = ["--set=name=t", "--set=text_file=t.txt"]
    assert shown(["train", *given, "--existing", "refuse"]) == [
        "--existing on-top", "--existing replace", "--set name=NAME",
    ]  # fmt: skip


def test_a_queue_that_would_replace_a_lora(
    folders: Folders, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders.datasets / "t.txt").write_text("A tale of the sea and the keeper. " * 40, encoding="utf-8")
    (folders.loras / "t").mkdir()
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"name": "t", "text_file": "t.txt", "warmup_steps": 0}), encoding="utf-8")
    place = ["--user-data", str(folders.user_data), "--model", str(tiny_folder), "--no-4bit"]
    assert main(["queue", str(file), *place]) == 2
    said = capsys.readouterr().err
    assert "(command line: --set name=NAME, --set override=on)" in said


def test_a_run_that_is_all_warmup(shown: Shown, folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    (folders.datasets / "t.txt").write_text("A tale of the sea and the keeper. " * 40, encoding="utf-8")
    given = ["--set=name=t", "--set=text_file=t.txt", "--set=warmup_steps=500", "--set=lr_scheduler_type=linear"]
    steps, epochs = shown(["train", *given])
    assert re.fullmatch(r"--set warmup_steps=\d+", steps) and epochs == "--set epochs=NUMBER"


def test_only_what_the_command_takes_is_shown_and_nothing_twice() -> None:
    options = ("--set rank=8", "--model DIR")
    assert with_options("Too large.", options, {"--model"}) == "Too large. (command line: --model DIR)"
    assert with_options("Too large; add --model DIR.", options, {"--model"}) == "Too large; add --model DIR."
    assert with_options("Too large.", ()) == "Too large."


def test_each_fault_keeps_its_own_options() -> None:
    faults = faults_of(UserError("First line.\nLast line.", option="--overwrite", setting="rank"))
    assert [(fault.text, fault.options, fault.setting) for fault in faults] == [
        ("First line.", (), ""),
        ("Last line.", ("--overwrite",), "rank"),
    ]
    assert faults_of(SettingsError(faults)) == faults
    assert SettingsError(faults).options == ("--overwrite",)


def test_each_way_to_need_less_memory_can_be_typed() -> None:
    settings = Settings(train_head=True, use_dora=True, targets="all", rank=64)
    shape = SimpleNamespace(checkpointable=30)
    work: Any = SimpleNamespace(settings=settings, shape=shape, quantized=False)
    words, options = ways_out(work, 200, 4)
    assert len(options) == words.count(", ") + 1
    changes = dict(option.removeprefix("--set ").split("=") for option in options if option.startswith("--set"))
    lower = ("batch_size", 4), ("max_tokens", 200), ("rank", 64)
    assert all(int(changes[name]) < before for name, before in lower)
    assert "--quantization 4-bit" in options and changes["train_head"] == "off"
    settings.changed(optimizer=changes["optimizer"], targets=changes["targets"])
