"""How buttons in HTML of ours reach the server: the page's script (``assets/hands.js``) presses a hidden button.

In the HTML, a button carries ``data-hand="NAME"`` and ``data-act="what to do"``; the handler gets what to do as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.ui.handlers import AT_ONCE

SCRIPT = Path(__file__).resolve().parent.parent / "assets" / "hands.js"


class Hand:
    """One hidden button, for everything that is done in one place of the page."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self) -> None:
        self.given = gr.Textbox(visible=False)
        self.button = gr.Button(self.name, elem_id=f"tp-hand-{self.name}", elem_classes=["tp-hidden"])

    def connect(self, handler: Callable[..., Any], outputs: Sequence[Any]) -> Any:
        """Let `handler(act)` answer with updates of `outputs`; gives what can follow it."""
        js = f"() => window.trainingProHands.take({json.dumps(self.name)})"
        return self.button.click(handler, self.given, list(outputs), js=js, trigger_mode="always_last", **AT_ONCE)
