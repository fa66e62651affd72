from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import save_tiny_lora
from training_pro.cli.main import main
from training_pro.folders import Folders


def ask(folders: Folders, model: Path, *more: str) -> int:
    where = ["--model", str(model), "--no-4bit", "--user-data", str(folders.user_data)]
    return main(["ask", "The lamp keeper", *where, "--tokens", "6", *more])


def test_base_and_lora_answer_at_each_strength(
    folders: Folders, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_tiny_lora(tiny_folder, folders.loras / "sea")
    assert ask(folders, tiny_folder, "--lora", "sea", "--strength", "0", "1", "--json") == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    base, off, whole = said["answers"]
    assert (base["voice"], off["voice"], whole["voice"]) == ("base model", "sea × 0", "sea")
    assert base["answer"] == off["answer"] != whole["answer"]


def test_what_can_not_answer_is_said_and_the_code_tells(
    folders: Folders, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(folders, tiny_folder, "--lora", "gone") == 2
    written = capsys.readouterr()
    assert "-- base model" in written.out and '"gone"' in written.err
    assert ask(folders, tiny_folder, "--strength", "7", "--lora", "gone") == 2
    assert "Strength 7" in capsys.readouterr().err
