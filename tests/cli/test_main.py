"""The command line: help everywhere, faults as one sentence, exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from training_pro.cli.main import COMMANDS, main, parser
from training_pro.cli.settings_file import settings_of
from training_pro.errors import SettingsError, UserError
from training_pro.settings import DEFAULTS, Settings


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args([command, "--help"])
    assert caught.value.code == 0
    assert "usage: python -m training_pro" in capsys.readouterr().out


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys, contextlib\n"
        "from training_pro.cli.main import COMMANDS, main\n"
        "for words in [['--help'], *([name, '--help'] for name in COMMANDS)]:\n"
        "    with contextlib.suppress(SystemExit): main(words)\n"
        "heavy = {'torch', 'transformers', 'peft', 'accelerate', 'bitsandbytes', 'gradio', 'matplotlib', 'pandas'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


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
    assert main(arguments) == 2
    assert "is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sentences", "nothere.txt"], "nothere.txt"),
        (["verify", "nothere.json"], "nothere.json"),
        (["train", "{folder}/s.json", "--set", "rank=0"], "LoRA Rank"),
        (["train", "{folder}/s.json", "--set", "nonsense=1"], "There is no setting"),
        (["train", "{folder}/s.json", "--set", "rank"], "NAME=VALUE"),
        (["verify", "{folder}/s.json", "--user-data", "{folder}/u"], "No data is chosen"),
        (["verify", "{folder}/bad.yaml"], "not valid YAML"),
        (["blocks", "{folder}/t.txt", "--max-tokens", "0"], "Maximum context length"),
    ],
)
def test_a_fault_is_one_sentence_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.json").write_text('{"name": "x"}', encoding="utf-8")
    (tmp_path / "t.txt").write_text("A text.", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    assert main([argument.replace("{folder}", str(tmp_path)) for argument in arguments]) == 2
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told


def settings(*arguments: str) -> Settings:
    return settings_of(parser().parse_args(["train", *arguments]))


def test_yaml_settings_and_overrides_of_every_type(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("name: y\nrank: 8\nlearning_rate: 1e-4\n", encoding="utf-8")
    found = settings(
        str(path), "--set", "rank=16", "--set", "overlap=off", "--set", "hard_cut==", "--set", "epochs=1.5"
    )
    assert found == Settings(name="y", rank=16, learning_rate=1e-4, overlap=False, hard_cut="=", epochs=1.5)


def test_every_setting_can_be_overridden_by_what_it_is_written_as() -> None:
    for name, default in DEFAULTS.items():
        written = json.dumps(default) if not isinstance(default, str) else default
        assert getattr(settings("--set", f"{name}={written}"), name) == default


def test_the_faults_of_file_and_overrides_come_together_and_an_override_mends_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"name": "x", "rank": 0, "epochs": -1}', encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        settings(str(path), "--set", "epochs=2", "--set", "dropout=2", "--set", "seed", "--set", "tank=1")
    said = str(caught.value)
    assert [word in said for word in ("rank", "dropout", "'seed' sets nothing", "did you mean rank?")] == [True] * 4
    assert "epochs" not in said


def test_an_override_that_sets_nothing_is_shown_short() -> None:
    with pytest.raises(SettingsError) as caught:
        settings("--set", "x" * 5000)
    assert len(str(caught.value)) < 200


def test_an_old_files_text_may_be_a_folder_of_the_user_data(tmp_path: Path) -> None:
    (tmp_path / "u/training/datasets/novels").mkdir(parents=True)
    path = tmp_path / "old.json"
    path.write_text('{"micro_batch_size": 1, "raw_text_file": "novels"}', encoding="utf-8")
    assert settings(str(path), "--user-data", str(tmp_path / "u")).text_file == "novels"
    assert settings(str(path), "--user-data", str(tmp_path)).text_file == "novels.txt"


def test_settings_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"name": "piped", "rank": 4}'))
    assert settings("-") == Settings(name="piped", rank=4)


def test_no_settings_at_all_are_refused() -> None:
    with pytest.raises(UserError, match="at least one --set"):
        settings()
