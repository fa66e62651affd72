from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import save_tiny_lora, save_tiny_model
from training_pro.cli.main import main
from training_pro.folders import Folders
from training_pro.record.perplexity_table import PerplexityTable

SIZES = ["--context", "64", "--stride", "32", "--no-4bit"]


@pytest.fixture
def text(folders: Folders) -> Path:
    path = folders.user_data / "elsewhere.txt"
    path.write_text("The lamp keeper climbs the tower at dusk. " * 20, encoding="utf-8")
    return path


def test_models_and_loras_in_turn(
    folders: Folders, tiny_folder: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_tiny_lora(tiny_folder, folders.loras / "sea")
    other = save_tiny_model(folders.models / "other", seed=5)
    models = ["--model", str(tiny_folder), "--model", str(other)]
    given = ["perplexity", str(text), *models, "--user-data", str(folders.user_data), "--lora", "sea", *SIZES]
    assert main([*given, "--comment", "from the shell"]) == 0
    lines, _ = PerplexityTable(folders).read()
    assert [(line.model, line.lora) for line in lines[::-1]] == [
        ("tiny", ""),
        ("tiny", "sea"),
        ("other", ""),
        ("other", "sea"),
    ]
    assert {line.comment for line in lines} == {"from the shell"}
    said = capsys.readouterr().out
    assert said.count("elsewhere.txt") == 4 and str(PerplexityTable(folders).path) in said


def test_only_the_lora_and_what_can_not_be_measured(
    folders: Folders, tiny_folder: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sea", "torn"):
        save_tiny_lora(tiny_folder, folders.loras / name)
    (folders.loras / "torn" / "adapter_model.safetensors").write_bytes(b"torn")
    given = ["perplexity", str(text), "--model", str(tiny_folder), "--user-data", str(folders.user_data), *SIZES]
    assert main([*given, "--lora", "sea", "--lora", "gone"]) == 2  # before anything is measured
    assert 'There is no LoRA "gone"' in capsys.readouterr().err
    assert PerplexityTable(folders).read()[0] == []
    assert main([*given, "--lora", "sea", "--lora", "torn", "--lora-only"]) == 1
    assert [line.lora for line in PerplexityTable(folders).read()[0]] == ["sea"]
    assert "torn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [(["--stride", "64"], (2, "1 to 63")), (["--context", "3"], (2, "8 or more")), ([], (2, "no text or dataset"))],
)
def test_a_wrong_call_says_why(
    folders: Folders,
    tiny_folder: Path,
    text: Path,
    wrong: list[str],
    answer: tuple[int, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = str(text) if wrong else "gone.txt"
    given = ["perplexity", file, "--model", str(tiny_folder), "--user-data", str(folders.user_data), *SIZES, *wrong]
    assert main(given) == answer[0]
    assert answer[1] in capsys.readouterr().err
