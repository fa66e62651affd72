"""Rows of which much is lost because they are too long."""

from __future__ import annotations

from typing import Any

import pytest

from tests.data.chat_templates import CHATML
from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.lost_rows import much_lost
from training_pro.data.prepare import prepare
from training_pro.data.report import DataReport, SourceReport
from training_pro.folders import Folders
from training_pro.settings import Settings


def report(lost: int, kind: str = "messages", longest: int = 551, most: int | None = None, **more: Any) -> DataReport:
    source = SourceReport(
        "rows", kind, samples=5, trimmed=5, row_tokens=1000, lost_tokens=lost, longest_row_tokens=longest, **more
    )
    return DataReport((source,), 5, model_max_tokens=most)


@pytest.mark.parametrize(("lost", "told"), [(0, 0), (99, 0), (100, 1), (480, 1)])
def test_it_is_said_from_a_tenth_on(lost: int, told: int) -> None:
    assert len(much_lost(report(lost), Settings())) == told


def test_chats_are_split_and_other_rows_get_room() -> None:
    (chats,) = much_lost(report(480), Settings(max_tokens=256))
    assert chats.changes == {"too_long": "split"} and chats.urgent
    assert "48%" in chats.reason and "480 of 1,000" in chats.reason and "256" in chats.reason
    (rows,) = much_lost(report(480, "alpaca"), Settings(max_tokens=256))
    assert rows.changes == {"max_tokens": 576} and "576 keeps all of it" in rows.reason
    (split,) = much_lost(report(480), Settings(max_tokens=256, too_long="split"))
    assert split.changes == {"max_tokens": 576}


@pytest.mark.parametrize(("most", "changes", "words"), [(512, {"max_tokens": 512}, "more of it"), (256, {}, "Shorten")])
def test_no_more_is_offered_than_the_model_reads(most: int, changes: dict[str, Any], words: str) -> None:
    (told,) = much_lost(report(480, "alpaca", most=most), Settings(max_tokens=256))
    assert told.changes == changes and words in told.reason


@pytest.mark.parametrize("too_long", ["trim", "eliminate", "split"])
def test_the_tokens_are_counted(too_long: str, folders: Folders) -> None:
    write_rows(folders, "talks.jsonl", [chat("q", "word " * n) for n in (2, 200)])
    choices: dict[str, Any] = {"dataset": "talks.jsonl", "max_tokens": 64}
    (whole,) = prepare(Settings(**{**choices, "max_tokens": 2000}), tiny_tokenizer(CHATML), folders).report.sources
    (found,) = prepare(Settings(**choices, too_long=too_long), tiny_tokenizer(CHATML), folders).report.sources
    assert whole.lost_tokens == 0 and whole.row_tokens > whole.longest_row_tokens > 64
    assert found.row_tokens == whole.row_tokens
    assert found.lost_tokens == whole.longest_row_tokens - (0 if too_long == "eliminate" else 64)
