"""How should it learn? Four tiles, the eight numbers that matter, the curve of the learning rate, and all the rest."""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.session import Checked, Session
from training_pro.settings import Settings
from training_pro.training.learning_rate import check_schedule
from training_pro.ui.form import Form, Group, groups
from training_pro.ui.handlers import AT_ONCE, CHECK, QUIET, answering
from training_pro.ui.labels import NUMBERS, WHILE_IT_LEARNS
from training_pro.ui.panels.check import Check
from training_pro.ui.panels.largest_batch import LargestBatch
from training_pro.ui.panels.own_presets import OwnPresets
from training_pro.ui.pieces import area, card, head
from training_pro.ui.presets import preset_values
from training_pro.ui.views.markup import text
from training_pro.ui.views.schedule import small_curve

_TOOLS = (
    '<div class="tp-find"><span class="tp-ic tp-i-find" aria-hidden="true"></span>'
    '<input type="search" class="tp-search" aria-label="Search the settings" '
    'placeholder="Search: warmup, overlap, NEFTune">'
    '<button type="button" class="tp-btn tp-s" data-do="only-changed" aria-pressed="false">Changed</button>'
    '<button type="button" class="tp-btn tp-s tp-i tp-i-back" data-do="reset">Reset all</button></div>'
)


class How:
    """The card and, below it, "All settings" and "While it learns"."""

    def __init__(self, session: Session, form: Form, check: Check, batch: LargestBatch, presets: OwnPresets) -> None:
        self._session = session
        self._presets = presets
        self._form = form
        self._check = check
        self._batch = batch

    def build(self) -> None:
        with card("how"):
            self._presets.build()
            with gr.Row(elem_classes=["tp-g4"]):
                self._form.build_short(NUMBERS)
            self._batch.build()
            with gr.Row(elem_classes=["tp-curve"]):
                self._form.build_fields("lr_scheduler_type")
                self.curve = area("curve")
                self._check.draw_with(self.curve, self._draw)
        with gr.Accordion("All settings", open=False, elem_id="tp-all", elem_classes=["tp-card"]):
            gr.HTML(_TOOLS, elem_classes=["tp-html"])
            for group in groups():
                self._build_group(group)
            self.reset = gr.Button("Reset", elem_id="tp-reset", elem_classes=["tp-hidden"])
        with card("while"):
            head("While it learns")
            with gr.Row(elem_classes=["tp-g4", "tp-while"]):
                self._form.build_short(WHILE_IT_LEARNS)

    def _build_group(self, group: Group) -> None:
        if not group.names:
            return
        with gr.Column(elem_classes=["tp-group"], elem_id=f"tp-group-{group.title.replace(' ', '-').lower()}"):
            gr.HTML(f"<h3>{text(group.title)}</h3>", elem_classes=["tp-html"])
            with gr.Row(elem_classes=["tp-g3"]):
                self._form.build_fields(*group.names)

    def connect(self) -> None:
        self._form.controls["lr_scheduler_type"].change(None, None, None, js=CHECK, **AT_ONCE)
        reset = answering(self._defaults, self.curve, "resetting the settings")
        self.reset.click(reset, None, [*self._form.outputs, self.curve], **QUIET).then(
            None, None, None, js=CHECK, **AT_ONCE
        )

    def _defaults(self) -> dict[Any, Any]:
        return self._form.change(preset_values("Defaults", self._session.host.folders))

    def _draw(self, settings: Settings, checked: Checked) -> dict[Any, Any]:
        schedules = self._session.host.folders.schedules
        check_schedule(settings.lr_scheduler_type, schedules, has_eval=True)
        return {self.curve: small_curve(settings, checked.plan, schedules)}
