"""Every control of the page is in the documentation, and each has an id of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.server import Server
from training_pro.settings import SPECS

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONTROLS = (gr.Button, gr.Checkbox, gr.Dropdown, gr.Number, gr.Radio, gr.Slider, gr.Textbox, gr.UploadButton)


@pytest.fixture
def controls(server: Server) -> list[Any]:
    return [block for block in server.page.blocks.values() if isinstance(block, CONTROLS) and seen(block)]


def seen(control: Any) -> bool:
    """Whether a person sees it; the page's script presses what nobody does."""
    return "tp-hidden" not in (control.elem_classes or [])


def label_of(control: Any) -> str:
    named = control.value if isinstance(control, gr.Button) else control.label
    return str(named or "")


def test_every_control_is_in_the_documentation(controls: list[Any]) -> None:
    rows = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("page.md", "settings.md"))
    missing = sorted({label_of(control) for control in controls if f"\n| {label_of(control)} |" not in rows} - {""})
    assert missing == [], "write a row for each in docs/page.md"
    assert len(controls) > len(SPECS)


def test_every_id_is_given_once(server: Server) -> None:
    ids = Counter(block.elem_id for block in server.page.blocks.values() if getattr(block, "elem_id", None))
    assert [name for name, count in ids.items() if count > 1] == []
