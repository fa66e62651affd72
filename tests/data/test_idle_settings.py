"""Settings of the data that do nothing in a run, or contradict each other, are said with the way out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.data.test_verify import verified
from training_pro.data.idle_settings import idle_settings
from training_pro.folders import Folders
from training_pro.settings import Settings


@pytest.mark.parametrize(
    ("kinds", "choices", "says"),
    [
        ({"messages"}, {"dementor": True}, ["DEMENTOR", "running text", "Turn it off"]),
        ({"alpaca"}, {"min_block_chars": 9}, ["Ignore small blocks", "9", "Set it to 0"]),
        ({"alpaca"}, {"hard_cut": "###"}, ["Hard Cut String", "###"]),
        ({"sharegpt"}, {"control_tokens": "text"}, ["Control tokens", "Set it to auto"]),
        ({"messages", "text"}, {"format": "alpaca-format"}, ["Data Format", "alpaca-format", "Clear it"]),
        ({"text"}, {"chat_template": "ChatML"}, ["Chat template", "ChatML"]),
        ({"text rows"}, {"too_long": "eliminate"}, ["Rows that are too long", "eliminate", "Set it to trim"]),
        ({"text"}, {"columns": "prompt=a,answer=b"}, ["Columns", "rows", "Clear it"]),
        ({"text"}, {"dataset_kind": "alpaca"}, ["Kind of dataset", "alpaca", "auto"]),
        ({"alpaca"}, {"format": "a", "chat_template": "b"}, ["Data Format a", "Chat template b", "Clear one"]),
        ({"alpaca"}, {"too_long": "split", "format": "a"}, ["Data Format a", "trimmed", "Clear the Data Format"]),
        ({"alpaca"}, {"hard_cut": "\\n***\\n"}, ["Hard Cut String '\\n***\\n' has no"]),
        ({"alpaca"}, {"hard_cut": "#\n" * 99}, ["'#\\n#", "#\\n' has no"]),
        ({"text"}, {"eval_dataset": "e.txt", "eval_percent": 5}, ["Evaluation Dataset", "5 %", "Set it to 0"]),
        ({"text"}, {"hybrid_text_percent": 50}, ["Text file", "50 %", "write NAME 50%"]),
        ({"text"}, {"hybrid": True, "hybrid_data_percent": 0}, ["Dataset", "none of it", "Raise it"]),
    ],
)
def test_one_sentence_names_what_does_nothing_and_the_way_out(
    kinds: set[str], choices: dict[str, Any], says: list[str]
) -> None:
    (sentence,) = idle_settings(Settings(**choices), kinds)
    assert all(part in sentence for part in says)


@pytest.mark.parametrize(
    ("kinds", "choices"),
    [
        (set(), {}),
        ({"text"}, {"dementor": True, "min_block_chars": 9, "hard_cut": "#", "control_tokens": "tokens"}),
        ({"text rows"}, {"columns": "text=body", "hard_cut": "#", "dataset": "a.json", "dataset_kind": "text rows"}),
        ({"alpaca"}, {"format": "a", "too_long": "stop", "columns": "prompt=a,answer=b"}),
        ({"messages"}, {"chat_template": "a", "too_long": "split"}),
        ({"alpaca"}, {"too_long": "split"}),  # rows with a history are split
        ({"alpaca"}, {"hard_cut": ""}),
        ({"text", "alpaca"}, {"dataset_kind": "alpaca", "eval_dataset": "a.json"}),
        ({"alpaca", "messages"}, {"format": "a", "chat_template": "b"}),
        ({"text", "alpaca"}, {"hybrid": True, "hybrid_text_percent": 50, "format": "a", "dementor": True}),
    ],
)
def test_settings_that_count_are_no_matter(kinds: set[str], choices: dict[str, Any]) -> None:
    assert idle_settings(Settings(**choices), kinds) == []


def test_verify_says_so(folders: Folders) -> None:
    notes = verified(folders, text_file="story.txt", eval_percent=0, columns="prompt=a,answer=b").notes
    assert any(note.startswith("Columns") for note in notes)


def test_a_setting_for_the_evaluation_dataset_alone_is_not_idle(folders: Folders) -> None:
    notes = verified(folders, text_file="story.txt", eval_dataset="talks.jsonl", too_long="eliminate").notes
    assert not any("Rows that are too long" in note for note in notes)


def test_a_cut_string_that_is_not_there_is_said(folders: Folders) -> None:
    notes = verified(folders, text_file="story.txt", hard_cut="=====").notes
    assert any("=====" in note and "does not occur" in note for note in notes)
    assert not any("does not occur" in note for note in verified(folders, text_file="story.txt").notes)


def test_a_cut_string_that_leaves_no_room_for_blocks_is_said(folders: Folders) -> None:
    notes = verified(folders, text_file="story.txt", hard_cut=".", max_tokens=512).notes
    assert any("sections of" in note and "rarer" in note for note in notes)


def test_short_texts_between_blank_lines_are_meant(folders: Folders) -> None:
    (folders.datasets / "jokes.txt").write_text("\n\n\n".join(f"Joke {number}." for number in range(80)))
    assert not any("rarer" in note for note in verified(folders, text_file="jokes.txt", max_tokens=512).notes)
