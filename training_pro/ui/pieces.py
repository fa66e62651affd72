"""Components as this page uses them, each with an id of its own for style sheets and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from training_pro.ui.views.markup import text


def area(name: str, value: str = "", elem_classes: Sequence[str] = (), **more: Any) -> Any:
    """Where HTML of ours is shown; takes no room while it is empty."""
    return gr.HTML(value, elem_id=f"tp-{name}", elem_classes=["tp-html", *elem_classes], **more)


def card(name: str, *classes: str, **more: Any) -> Any:
    """A frame around what belongs together."""
    return gr.Column(elem_id=f"tp-{name}-card", elem_classes=["tp-card", *classes], **more)


def head(words: str) -> Any:
    """The heading of a card."""
    return gr.HTML(f"<h2>{text(words)}</h2>", elem_classes=["tp-html", "tp-heading"])


def subhead(words: str) -> Any:
    """The heading of a part of a card."""
    return gr.HTML(f"<h3>{text(words)}</h3>", elem_classes=["tp-html", "tp-subhead"])


def button(words: str, name: str, **more: Any) -> Any:
    """A small button; several stand in one row, also on a phone."""
    return gr.Button(words, **{"size": "sm", "min_width": 110, "elem_id": f"tp-{name}", **more})


def button_row(**more: Any) -> Any:
    """Where buttons stand side by side as far as there is room."""
    return gr.Row(elem_classes=["tp-buttons"], **more)
