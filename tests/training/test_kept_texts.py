"""The format or template that a run's rows went through stays with the run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.training.tiny import TinyOwner, prepared, small_settings, train
from training_pro.data.prepare import Prepared
from training_pro.data.rendering.formats import SHIPPED
from training_pro.data.report import SourceReport
from training_pro.training.kept_texts import KEPT_FORMAT, KEPT_TEMPLATE

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def data_of(kind: str) -> Prepared:
    data = prepared()
    return replace(data, report=replace(data.report, sources=(SourceReport("rows.json", kind),)))


@pytest.mark.parametrize(
    ("kind", "changes", "kept"),
    [
        ("text", {}, []),
        ("messages", {}, [KEPT_TEMPLATE]),
        ("alpaca", {}, [KEPT_TEMPLATE]),
        ("alpaca", {"format": "alpaca-format"}, [KEPT_FORMAT]),
        ("text", {"format": "alpaca-format", "chat_template": "mine"}, []),
    ],
)
def test_what_the_rows_went_through_is_kept(
    owner: TinyOwner, kind: str, changes: dict[str, Any], kept: list[str]
) -> None:
    status = train(owner, small_settings(epochs=0.2, **changes), data_of(kind))
    found = sorted(path.name for path in status.folder.iterdir() if path.name in (KEPT_FORMAT, KEPT_TEMPLATE))
    assert found == kept


def test_the_texts_are_the_very_ones(owner: TinyOwner) -> None:
    owner.folders.instruction_templates.mkdir(parents=True, exist_ok=True)
    (owner.folders.instruction_templates / "mine.jinja").write_text(TEMPLATE, encoding="utf-8")
    own = train(owner, small_settings(name="own", epochs=0.2), data_of("messages"))
    chosen = train(owner, small_settings(name="chosen", epochs=0.2, chat_template="mine"), data_of("sharegpt"))
    formatted = train(owner, small_settings(name="formatted", epochs=0.2, format="alpaca-format"), data_of("alpaca"))
    assert (own.folder / KEPT_TEMPLATE).read_text(encoding="utf-8") == owner.loaded.tokenizer.chat_template
    assert (chosen.folder / KEPT_TEMPLATE).read_text(encoding="utf-8") == TEMPLATE
    kept = json.loads((formatted.folder / KEPT_FORMAT).read_text(encoding="utf-8"))
    assert kept == json.loads((SHIPPED / "alpaca-format.json").read_text(encoding="utf-8"))
