"""Components as this page uses them, each with an id of its own for style sheets and tests."""

from __future__ import annotations

from typing import Any

import gradio as gr


def area(name: str, value: str = "", **more: Any) -> Any:
    """Where HTML of ours is shown; takes no room while it is empty."""
    return gr.HTML(value, elem_id=f"tp-{name}", elem_classes=["tp-html"], **more)


def button(words: str, name: str, **more: Any) -> Any:
    """A small button; several stand in one row, also on a phone."""
    return gr.Button(words, **{"size": "sm", "min_width": 110, "elem_id": f"tp-{name}", **more})


def button_row(**more: Any) -> Any:
    """Where buttons stand side by side as far as there is room."""
    return gr.Row(elem_classes=["tp-buttons"], **more)
