"""Your run: name, what it takes, remarks, and Start with its menu of other ways to start."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from training_pro.ui.form import Form
from training_pro.ui.panels.check import Check
from training_pro.ui.panels.placement import Placement
from training_pro.ui.panels.queue import QueuePanel
from training_pro.ui.panels.recipes import Recipes
from training_pro.ui.panels.speed_trial import SpeedTrial
from training_pro.ui.panels.start import Start
from training_pro.ui.pieces import card

_MORE = (
    '<button type="button" class="tp-btn tp-more-ways" data-do="menu" aria-expanded="false" '
    'aria-label="More ways to start"></button>'
)
_BAR = '<button type="button" class="tp-btn tp-main tp-i tp-i-play" data-press="tp-start">Start LoRA Training</button>'


@dataclass(frozen=True)
class Ways:
    """The other ways to start, in the menu beside Start."""

    queue: QueuePanel
    placement: Placement
    recipes: Recipes


class YourRun:
    """Builds the card beside the form; the parts are connected by themselves."""

    def __init__(self, form: Form, check: Check, speed: SpeedTrial, start: Start, ways: Ways) -> None:
        self._form = form
        self._check = check
        self._speed = speed
        self._start = start
        self._ways = ways

    def build(self) -> None:
        with card("run-to-be", "tp-lift"):
            self._check.build_card()
            self._speed.build()
            self._form.build_fields("name")
            self._check.build_remarks()
            with gr.Row(elem_classes=["tp-start-row"]):
                self._start.build_button()
                gr.HTML(_MORE, elem_classes=["tp-html", "tp-more-cell"])
            self._start.build_said()
            with gr.Column(elem_classes=["tp-menu"], elem_id="tp-start-menu"):
                self._ways.queue.build_add()
                self._ways.placement.build()
                self._ways.recipes.build_command()
        with gr.Row(elem_classes=["tp-bottom-bar"]):
            self._check.build_bar()
            gr.HTML(_BAR, elem_classes=["tp-html"])
