"""Under every family of templates exactly the assistant's turns and their stop tokens are trained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.data.hard_chats import hard_chats
from tests.data.mask_check import checked, verdict_on
from tests.data.reference_chats import FAMILIES
from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import prepare
from training_pro.data.rendering.formats import load_format
from training_pro.folders import Folders
from training_pro.settings import Settings

NEEDLE = "### Response:\n"


@pytest.mark.parametrize("family", FAMILIES)
def test_hard_chats(family: str, folders: Folders):
    rows, known = hard_chats(), FAMILIES[family]
    write_rows(folders, "hard.jsonl", rows)
    tokenizer = tiny_tokenizer(known.template)
    found = prepare(Settings(dataset="hard.jsonl", loss_on="assistant", max_tokens=4096), tokenizer, folders)
    tally = checked(found.train, tokenizer, {n: known.pieces(row["messages"]) for n, row in enumerate(rows, 1)})
    assert tally.faults == []
    assert tally.rows == len(rows) and tally.exact > len(rows) / 2


@pytest.mark.parametrize("family", FAMILIES)
def test_the_reference_is_right_about_the_template(family: str):
    known = FAMILIES[family]
    tokenizer = tiny_tokenizer(known.template)
    for row in hard_chats():
        messages = row["messages"]
        pieces = known.pieces(messages)
        if not (family == "gemma" and messages[0]["role"] == "system"):
            text = tokenizer.apply_chat_template(messages, tokenize=False)
            assert "".join(piece for piece, _ in pieces) == text
        assert any(trained and piece == known.stop for piece, trained in pieces)


def test_train_only_after(folders: Folders):
    outputs = ["yes", " lead", "trail \n", "🙂 naïve", f"{NEEDLE}again", "</s>", "\n\nlines"]
    rows: list[dict[str, Any]] = [
        {"instruction": f"q {NEEDLE}" * (i % 2) + "a", "output": o} for i, o in enumerate(outputs)
    ]
    write_rows(folders, "tasks.json", rows)
    tokenizer = tiny_tokenizer()
    choices = {"dataset": "tasks.json", "format": "alpaca-format", "train_only_after": NEEDLE, "add_bos": False}
    found = prepare(Settings(**choices, max_tokens=4096), tokenizer, folders)
    template = load_format("alpaca-format", folders.formats).entry_for(frozenset({"instruction", "output"})).parts
    references = {}
    for number, row in enumerate(rows, 1):
        text = template[0] + row["instruction"] + template[2] + row["output"] + template[4]
        place = text.index(NEEDLE) + len(NEEDLE)
        end = [] if text.endswith("</s>") else [("</s>", True)]
        references[number] = [(text[:place], False), (text[place:], True), *end]
    tally = checked(found.train, tokenizer, references)
    assert (tally.faults, tally.rows) == ([], len(rows))


def test_a_wrong_mask_is_seen(folders: Folders):
    rows = [chat("What?", "It is Brass.")]
    write_rows(folders, "a.jsonl", rows)
    known = FAMILIES["chatml"]
    tokenizer = tiny_tokenizer(known.template)
    train = prepare(Settings(dataset="a.jsonl", loss_on="assistant"), tokenizer, folders).train
    pieces = known.pieces(rows[0]["messages"])
    sample = train[0]
    assert verdict_on(sample, tokenizer, pieces) == "exact"
    moved = {**sample, "labels": sample["labels"].copy()}
    moved["labels"][-2] = -100  # the stop token
    assert "im_end" in verdict_on(moved, tokenizer, pieces)
    assert "other ids" in verdict_on(train[0], tokenizer, [*pieces, ("x", False)])
