"""What rows hold by accident is shown."""

from __future__ import annotations

import json

import pytest

from tests.data.chat_templates import CHATML
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import prepare
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.text.stray_characters import RowStrays


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a\x00b", "control characters"),
        ("a\u200bb", "zero-width spaces"),
        ("Tom &amp; Anna", "HTML entities"),
        ("donâ€™t", "wrongly decoded letters"),
        ("caf\ufffd", "replacement characters"),
        ("Hello {{user}}", "placeholders"),
        ("<BOT> says", "placeholders"),
    ],
)
def test_each_kind_is_counted_by_rows(text: str, kind: str) -> None:
    strays = RowStrays()
    strays.look([text, "plain", f"{text} {text}"])
    assert f"{kind} in 2 rows" in strays.notes()[0]


@pytest.mark.parametrize(
    "text", ["plain", "naïve café “quoted” 你好 🙂", "a < b && c &d;", "<b>x</b>", "{{name}}", "Â ñ"]
)
def test_plain_words_are_none(text: str) -> None:
    strays = RowStrays()
    strays.look([text])
    assert strays.notes() == []


@pytest.mark.parametrize(("end", "is_shown"), [("<|im_end|>\n", True), ("", False), ("<b>", False)])
def test_a_stop_token_that_a_row_brings_itself_is_shown(folders: Folders, end: str, is_shown: bool) -> None:
    row = {"instruction": "How deep?", "output": f"Two.{end}"}
    (folders.datasets / "a.jsonl").write_text(json.dumps(row), encoding="utf-8")
    settings = Settings(dataset="a.jsonl", loss_on="assistant", max_tokens=256)
    prepared = prepare(settings, tiny_tokenizer(CHATML), folders)
    assert any("stop token of its own" in note for note in prepared.report.sources[0].notes) == is_shown


def test_rows_of_json_that_are_called_a_text_are_named(folders: Folders) -> None:
    (folders.datasets / "a.txt").write_text(json.dumps({"prompt": "How deep?", "response": "Two."}) + "\n")
    prepared = prepare(Settings(text_file="a.txt"), tiny_tokenizer(), folders)
    assert any("a.jsonl" in note for note in prepared.report.sources[0].notes)
