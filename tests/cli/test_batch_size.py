"""The command that finds the largest True Batch Size, on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes import TINY_TEXT
from training_pro.cli.main import main


def test_it_prints_the_size_and_leaves_nothing(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "training" / "datasets"
    texts.mkdir(parents=True)
    (texts / "lamp.txt").write_text(TINY_TEXT * 3, encoding="utf-8")
    settings = tmp_path / "s.json"
    settings.write_text(json.dumps({"text_file": "lamp.txt", "max_tokens": 64, "rank": 4}), encoding="utf-8")
    command = ["batch-size", str(settings), "--model", str(tiny_folder), "--user-data", str(tmp_path), "--no-4bit"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["batch_size"] == found["most"], "a tiny model fits with all there is"
    assert found["exit_code"] == 0 and "fits" in found["sentence"]
    assert not list((tmp_path / "loras").iterdir())
