"""How buttons in HTML of ours reach the server: the page's script (``assets/hands.js``) presses a hidden button.

In the HTML, a button carries ``data-hand="NAME"`` and ``data-act="what to do"``; the handler gets what to do as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
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

    def connect(self, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Collection[Any] = ()) -> Any:
        """Let `handler(act)` answer with updates of `outputs`; gives what can follow it.

        With `inputs` the handler gets a dict of them instead, in which `given` is what to do.
        """
        take = f"window.trainingProHands.take({json.dumps(self.name)})"
        same: dict[str, Any] = {"trigger_mode": "multiple", **AT_ONCE}  # each press counts, whatever became of others
        if not inputs:
            return self.button.click(handler, self.given, list(outputs), js=f"() => {take}", **same)
        every = {self.given, *inputs}
        place = sorted(control._id for control in every).index(self.given._id)  # gradio's order of a set
        # Gradio gives what the outputs hold, too; were it sent, gradio 4 would shift what follows a State by one place.
        js = f"(...all) => {{ all[{place}] = {take}[0]; return all.slice(0, {len(every)}); }}"
        return self.button.click(handler, every, list(outputs), js=js, **same)
