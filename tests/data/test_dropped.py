"""What was read and is not trained can be looked at, with the reason; also when it comes out of the cache."""

from __future__ import annotations

from typing import Any

import pytest

from tests.data.chat_templates import CHATML
from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data import row_encoding
from training_pro.data.prepare import Prepared, prepare
from training_pro.folders import Folders
from training_pro.settings import Settings

LONG = "A river, a cup, a kettle and a hen. " * 20


def prepared(folders: Folders, **choices: Any) -> Prepared:
    return prepare(Settings(**choices), tiny_tokenizer(CHATML), folders)


def left(found: Prepared) -> list[tuple[str, str]]:
    """Text and reason of all that was left out."""
    if found.dropped is None:
        return []
    previews = [found.dropped.preview(index) for index in range(len(found.dropped))]
    assert [preview.number for preview in previews] == list(range(len(previews)))
    return [(preview.text, preview.why) for preview in previews]


def test_nothing_is_left_out_of_a_plain_text(folders: Folders):
    (folders.datasets / "a.txt").write_text("The fox ran.\n\n\nThe hen sat.")
    found = prepared(folders, text_file="a.txt")
    assert found.dropped is None and found.train.preview(0).why == ""


@pytest.mark.parametrize("again", [False, True], ids=["made", "from the cache"])
def test_small_blocks(again: bool, folders: Folders):
    (folders.datasets / "a.txt").write_text("Hen.\n\n\nThe fox ran.\n\n\nGoat.")
    for _ in range(1 + again):
        found = prepared(folders, text_file="a.txt", min_block_chars=5)
    assert [text for text, _ in left(found)] == ["Hen.", "Goat."]
    assert all("Ignore small blocks" in why for _, why in left(found))
    assert found.dropped is not None and found.dropped.written(0, True) == "<s>Hen.</s>"
    assert found.dropped.preview(1).section == 2
    assert len(found.train) == 1


@pytest.mark.parametrize("again", [False, True], ids=["made", "from the cache"])
def test_rows_that_are_too_long_or_have_nothing_left_to_train(again: bool, folders: Folders):
    write_rows(folders, "a.jsonl", [chat("Who?", "The fox."), chat(LONG, "Hen."), chat("Where?", LONG)])
    choices = {"dataset": "a.jsonl", "max_tokens": 64, "loss_on": "assistant"}
    for _ in range(1 + again):
        trimmed = prepared(folders, **choices)
        eliminated = prepared(folders, too_long="eliminate", **choices)
    assert [(LONG in text, "trimming would remove" in why) for text, why in left(trimmed)] == [(True, True)]
    assert ["longer than the Maximum" in why for _, why in left(eliminated)] == [True, True]
    assert eliminated.dropped is not None
    assert [eliminated.dropped.preview(index).row for index in range(2)] == [2, 3]
    shown = eliminated.dropped.preview(0)
    assert "".join(token.text for token in shown.tokens if token.trained) == "Hen.<|im_end|>"
    assert len(eliminated.train) == 1 and "<|im_end|>" not in eliminated.train.preview(0).why


def test_long_rows_are_kept_in_part_and_only_so_many(folders: Folders, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(row_encoding, "KEPT_ROW_TOKENS", 50)
    monkeypatch.setattr(row_encoding, "KEPT_TOKENS", 101)
    write_rows(folders, "a.jsonl", [chat("Who?", "The fox."), *[chat("Where?", LONG)] * 5])
    found = prepared(folders, dataset="a.jsonl", max_tokens=64, too_long="eliminate")
    assert found.dropped is not None and found.dropped.lengths.tolist() == [50, 50, 50]
    assert found.report.sources[0].eliminated_long == 5


def test_what_shares_text_with_the_evaluation(folders: Folders):
    text = " ".join(f"The fox number {number} went to the river." for number in range(150))
    (folders.datasets / "a.txt").write_text(text)
    found = prepared(folders, text_file="a.txt", max_tokens=40, eval_percent=10)
    assert found.dropped is not None and len(found.dropped) == found.report.left_out > 0
    assert {why for _, why in left(found)} == {"left out: shares text with the evaluation"}
    assert set(found.dropped.kinds.tolist()) == {1}  # overlaps
