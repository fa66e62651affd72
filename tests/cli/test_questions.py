from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.cli.main import main
from training_pro.folders import Folders
from training_pro.training import answering as writing

TEXT = "\n\n\n".join(f"Keeper {n} climbed the tower in the year {1800 + n}, and wiped the old glass." for n in range(5))


@pytest.fixture
def given(folders: Folders, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of a text in the datasets and a model that asks of each section another question."""
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    asked: list[str] = []

    def says(model: Any, tokenizer: Any, prompts: Any, *_: Any) -> list[str]:
        asked.extend(prompts)
        return [f"Who climbed it {len(asked)} and {place} times?" for place in range(len(prompts))]

    monkeypatch.setattr(writing, "answers", says)
    model = ["--model", str(tiny_folder), "--no-4bit", "--max-tokens", "200"]
    return ["questions", "tales.txt", "--user-data", str(folders.user_data), *model]


def test_written_edited_in_a_spreadsheet_and_made_a_dataset(
    given: list[str], folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    assert main([*given, "--csv", str(table)]) == 0
    said = capsys.readouterr().out
    assert "5 passages; 5 questions kept" in said and str(folders.questions / "tales.jsonl") in said
    rows = list(csv.DictReader(table.open()))
    rows[1]["question"], rows[2]["keep"] = "Who was the second?", "no"
    with table.open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows[:4])  # the last one was deleted
    made = ["questions-to-jsonl", "tales.txt", "--user-data", str(folders.user_data)]
    assert main([*made, "--csv", str(table), "--system", "Be brief."]) == 0
    assert "3 of 5 questions" in capsys.readouterr().err
    chats = [json.loads(line) for line in (folders.datasets / "tales_questions.jsonl").read_text().splitlines()]
    assert [chat["messages"][2]["content"][:8] for chat in chats] == ["Keeper 0", "Keeper 1", "Keeper 3"]
    assert chats[1]["messages"][1]["content"] == "Who was the second?"
    assert main(made) == 2 and "--overwrite" in capsys.readouterr().err
    assert main([*made, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("more", "sentence"), [(["--at-once", "0"], "1 or more"), (["--shortest", "9999"], "9999 characters")]
)
def test_bad_numbers_are_refused(
    given: list[str], more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, *more]) in (1, 2)
    assert sentence in capsys.readouterr().err


def test_without_a_table_there_is_a_way_out(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    assert main(["questions-to-jsonl", "tales.txt", "--user-data", str(folders.user_data)]) == 2
    assert "Write them first" in capsys.readouterr().err
