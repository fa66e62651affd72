"""The command line: help everywhere, faults as one sentence, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training_pro.cli.main import COMMANDS, main, name_of, parser


@pytest.mark.parametrize("command", map(name_of, COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args([command, "--help"])
    assert caught.value.code == 0
    assert "usage: python -m training_pro" in capsys.readouterr().out


def test_sentences_are_json_strings_that_tile_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "Mr. Fox slept.\nHe dreamt! \u201cOf geese?\u201d Yes."
    path = tmp_path / "t.txt"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert main(["sentences", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert "".join(json.loads(line) for line in lines) == text


@pytest.mark.parametrize("command", ["sentences", "blocks"])
def test_a_list_of_abbreviations_is_used(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, own = tmp_path / "t.txt", tmp_path / "training" / "abbreviations.txt"
    path.write_text("He met Obst. Weber went on and on through the whole of the night. She left.", encoding="utf-8")
    arguments = [command, str(path), "--user-data", str(tmp_path)]
    arguments += ["--max-tokens", "16", "--no-overlap"] if command == "blocks" else []
    first_lines = []
    for typed in ("", "Obst.\n"):
        own.parent.mkdir(exist_ok=True)
        own.write_text(typed, encoding="utf-8")
        assert main(arguments) == 0
        first_lines.append(capsys.readouterr().out.splitlines()[0])
    assert ["Weber" in line for line in first_lines] == [False, True]
    own.write_bytes(b"\xff")
    assert main(arguments) == 1
    assert "is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sentences", "nothere.txt"], "nothere.txt"),
        (["verify", "nothere.json"], "nothere.json"),
        (["train", "{folder}/s.json", "--set", "rank=0"], "LoRA Rank"),
        (["train", "{folder}/s.json", "--set", "nonsense=1"], "names no setting"),
        (["train", "{folder}/s.json", "--set", "rank"], "NAME=VALUE"),
        (["verify", "{folder}/s.json", "--user-data", "{folder}/u"], "No data is chosen"),
        (["verify", "{folder}/bad.yaml"], "not valid YAML"),
        (["blocks", "{folder}/t.txt", "--max-tokens", "0"], "Maximum context length"),
    ],
)
def test_a_fault_is_one_sentence_and_exit_code_1(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.json").write_text('{"name": "x"}', encoding="utf-8")
    (tmp_path / "t.txt").write_text("A text.", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    assert main([argument.replace("{folder}", str(tmp_path)) for argument in arguments]) == 1
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told


def test_yaml_settings_and_overrides(tmp_path: Path) -> None:
    from training_pro.cli.settings_file import settings_of

    path = tmp_path / "s.yaml"
    path.write_text("name: y\nrank: 8\nlearning_rate: 1e-4\n", encoding="utf-8")
    options = parser().parse_args(["verify", str(path), "--set", "rank=16", "--set", "overlap=false"])
    settings = settings_of(options)
    assert (settings.name, settings.rank, settings.learning_rate, settings.overlap) == ("y", 16, 1e-4, False)
