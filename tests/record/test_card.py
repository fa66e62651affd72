from __future__ import annotations

import ast
import re
from dataclasses import replace

import pytest
import yaml

from training_pro.record.card import Card, card_text
from training_pro.record.log import RunLog
from training_pro.settings import Settings

LOG = RunLog(
    name="novel",
    state="stopped",
    reason="Stop at loss 1.5 reached.",
    base_model_name="Smol-135M",
    updates=90,
    total_updates=300,
    epochs=0.9,
    tokens=12345,
    runtime_s=3725.4,
    first_loss=2.5,
    loss=1.49,
    best_eval_loss=1.6,
    best_eval_update=80,
    finished="2026-01-02T03:04:05+00:00",
)
CARD = Card(Settings(name="novel", rank=16, text_file="/home/anna/books/moby.txt"), LOG, "raw text, 812 blocks")


def front_matter(text: str) -> dict[str, object]:
    found = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def code(text: str) -> str:
    return text.split("```python\n")[1].split("```")[0]


def test_the_card_tells_base_data_settings_and_result() -> None:
    text = card_text(CARD)
    assert front_matter(text) == {"library_name": "peft", "base_model": "Smol-135M", "tags": ["lora", "training-pro"]}
    for told in ("# novel", "raw text, 812 blocks", "Stop at loss 1.5 reached.", "90 of 300", "62 min", "12,345",
                 "2.5000", "1.4900", "1.6000 at update 80", "| LoRA Rank | `16` |", "training_graph.png"):  # fmt: skip
        assert told in text, told
    assert "LoRA Alpha" not in text, "it has its default"


def test_only_the_name_of_a_file_is_told() -> None:
    text = card_text(CARD)
    assert "`moby.txt`" in text and "anna" not in text


def test_without_changes_or_numbers_it_is_still_a_card() -> None:
    text = card_text(Card(Settings(name="x"), RunLog("x", "failed", "", ""), "", has_graph=False))
    assert "all settings are the defaults" in text and "failed" in text
    assert "training_graph.png" not in text and "None" not in text.replace("None: all", "")


@pytest.mark.parametrize(
    "evil",
    ["<script>alert(1)</script>", "a | b", "![x](http://x)", "`x`", "```", 'a"b\\', "a\nb: c\n---\n", "\x00\u202e"],
)
def test_no_name_or_value_breaks_out(evil: str) -> None:
    card = replace(
        CARD,
        settings=Settings(train_only_after=evil.replace("\x00", "")),
        log=replace(LOG, name=evil, base_model_name=evil, reason=evil),
        data=evil,
    )
    text = card_text(card)
    prose = text.split("## Use")[0].split("---\n", 2)[2]
    (setting,) = [line for line in prose.splitlines() if line.startswith("| Train Only After")]
    assert re.fullmatch(r"\| Train Only After \| `[^`]*` \|", setting), "it stays inside its code"
    outside_code = prose.replace(setting, "")
    assert "<script" not in outside_code and "![x](" not in outside_code and "`x`" not in outside_code
    assert set(front_matter(text)) == {"library_name", "base_model", "tags"}
    assert isinstance(front_matter(text)["base_model"], str)
    ast.parse(code(text))
    tables = [line for line in prose.splitlines() if line.startswith("|")]
    assert all(line.replace("\\\\", "").replace("\\|", "").count("|") == 3 for line in tables)


def test_the_code_loads_what_it_says() -> None:
    text = code(card_text(replace(CARD, base_model_path="models/Smol-135M")))
    strings = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    assert strings == ["models/Smol-135M", "models/Smol-135M", "path/to/novel"]
