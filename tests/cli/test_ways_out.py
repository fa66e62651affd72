"""Ways out in the page's words are told in the terminal's too."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from training_pro.cli.main import main, parser
from training_pro.cli.ways_out import _PHRASES, SETTINGS_COMMANDS, options_for, with_options
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.training.memory.forecast import ways_out

FINISHED = 'The run "t" is finished (2 updates); choose another name, or turn on Override Existing Files.'
TAKEN = (
    'A LoRA named "t" exists (it is stopped, update 1 of 2). Choose to continue it, train on top of its weights, '
    "replace it (the old one is kept aside), or take another name."
)


@pytest.mark.parametrize(
    ("line", "command", "options"),
    [
        (FINISHED, "train", ["--set name=...", "--existing replace"]),
        (FINISHED, "queue", ["--set override=on"]),
        (FINISHED, "merge", []),
        (TAKEN, "train", ["--existing on-top", "--existing replace", "--set name=..."]),
        ('a.json, row 2: no text (the row begins: LR Scheduler); correct the row or set "Bad rows" to skip.', "train",
         ["--set bad_rows=skip"]),
        ('a.json holds rows, the "Kind of dataset" is text; set it to auto or choose another file.', "verify",
         ["--set dataset_kind=auto"]),
        ("No data is chosen; choose a Text file or a Dataset.", "dump", ["--set text_file=...", "--set dataset=..."]),
        ("LoRA Rank (rank) is 0; it must be from 1 to 2048.", "train", []),
        ("Optimizer is 'best', which does not work here; there is: sgd.", "train", ["--set optimizer=..."]),
        ("Epochs are many and Dataset is a word.", "train", ["--set epochs=..."]),
        ("The only update has learning rate 0; set Warmup Steps to 0, train more epochs or choose an LR Scheduler.",
         "verify", ["--set warmup_steps=0", "--set lr_scheduler_type=..."]),
        ("/m/b exists; choose another place, or ask for it to be replaced.", "gguf", ["--output PATH", "--replace"]),
        ("t.jsonl is there already; rename it, or choose to overwrite it.", "split", ["--overwrite"]),
        ("Nothing is said of the way out.", "train", []),
    ],
)  # fmt: skip
def test_what_to_type(line: str, command: str, options: list[str]) -> None:
    assert options_for(line, command) == options
    assert with_options(line, command) == (f"{line} (here: {', '.join(options)})" if options else line)


def test_each_way_to_need_less_memory_can_be_typed() -> None:
    settings = Settings(train_head=True, use_dora=True, targets="all")
    said = options_for(f"Out of memory: {ways_out(settings, False, 200, 4)}.", "train")
    assert said == [
        "--set gradient_checkpointing=on", "--set batch_size=...", "--set max_tokens=...", "--set train_head=off",
        "--set use_dora=off", "--quantization 4-bit", "--set rank=...", "--set optimizer=...", "--set targets=...",
        "--model DIR",
    ]  # fmt: skip


def test_every_option_is_one_of_its_command() -> None:
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    for _, option, named in (*_PHRASES, ("", "--set x=y", SETTINGS_COMMANDS)):
        for command in named:
            assert option.split()[0] in commands.choices[command]._option_string_actions, (option, command)


def test_a_bad_row_in_a_terminal(folders: Folders, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"instruction": "Who?", "output": "The keeper."}, {"instruction": "What?"}]
    (folders.datasets / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    place = ["--user-data", str(folders.user_data), "--model", str(tiny_folder), "--no-4bit"]
    given = ["verify", "--set=dataset=rows.json", "--set=format=alpaca-format", *place]
    assert main(given) == 2
    assert capsys.readouterr().err.endswith(' or set "Bad rows" to skip. (here: --set bad_rows=skip)\n')
