"""Chats that are longer than the context, split between their turns."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.chat_templates import CHATML
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import prepare
from training_pro.data.rows.chats import chat_of
from training_pro.data.rows.long_chats import pieces_of
from training_pro.data.verify import verify
from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.settings import Settings


def chat(exchanges: int) -> dict[str, list[dict[str, str]]]:
    turns = [{"role": "system", "content": "Be brief."}]
    for number in range(exchanges):
        turns += [
            {"role": "user", "content": f"What is lock number {number}?"},
            {"role": "assistant", "content": f"Lock {number} is the one by the mill."},
        ]
    return {"messages": turns}


def test_pieces_hold_every_exchange_once_and_begin_with_the_system_text():
    whole = chat_of(chat(7))
    pieces = pieces_of(whole, lambda piece: len(piece.messages) <= 5)
    assert [len(piece.messages) for piece in pieces] == [5, 5, 5, 3]
    assert all(piece.messages[0] == whole.messages[0] for piece in pieces)
    assert [message for piece in pieces for message in piece.messages[1:]] == whole.messages[1:]


def test_turns_not_to_learn_stay_so_in_their_piece():
    row = chat(3)
    row["messages"][4]["weight"] = 0  # type: ignore[assignment]  # rows are any JSON
    pieces = pieces_of(chat_of(row), lambda piece: len(piece.messages) <= 3)
    assert [piece.silent for piece in pieces] == [frozenset(), frozenset({2}), frozenset()]


def test_an_exchange_that_is_too_long_alone_stays_a_piece():
    pieces = pieces_of(chat_of(chat(3)), lambda piece: False)
    assert [len(piece.messages) for piece in pieces] == [3, 3, 3]


def test_a_long_chat_is_trained_whole_and_the_advice_says_so(tmp_path: Path):
    folders = Folders.under(tmp_path)
    folders.make()
    rows = [chat(40), chat(1)]
    (folders.datasets / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tokenizer = tiny_tokenizer(CHATML)
    trimmed = Settings(dataset="log.jsonl", max_tokens=256)
    before = prepare(trimmed, tokenizer, folders)
    found = verify(before, trimmed, make_plan(len(before.train), 4, 1, 3.0))
    changes = [suggestion.changes for suggestion in found.suggestions]
    assert {"too_long": "split"} in changes
    after = prepare(Settings(dataset="log.jsonl", max_tokens=256, too_long="split"), tokenizer, folders)
    texts = "".join(after.train.text(number) for number in range(len(after.train)))
    assert all(f"Lock {number} is the one by the mill." in texts for number in range(40))
    assert texts.count("Lock 39 is") == 1 and len(after.train) > 5
    report = after.report.sources[0]
    assert report.rows_read == 2 and report.trimmed == 0
    assert any("1 long chat split" in note for note in report.notes)


def test_a_broken_character_is_a_bad_row_also_where_chats_are_split(tmp_path: Path):
    folders = Folders.under(tmp_path)
    folders.make()
    broken = chat(40)
    broken["messages"][1]["content"] = "What is \ud83d?"
    (folders.datasets / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (broken, chat(1))))
    settings = Settings(dataset="log.jsonl", max_tokens=256, too_long="split", bad_rows="skip")
    (source,) = prepare(settings, tiny_tokenizer(CHATML), folders).report.sources
    assert (source.samples, source.bad_rows) == (1, 1) and "\\ud83d" in source.bad_row_examples[0]
