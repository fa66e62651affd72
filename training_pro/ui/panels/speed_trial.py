"""Measure speed: some real updates of the run to be, so that its time is known and no guess. The link stands beside the
time in the card, which a check draws; it presses the hidden button of this panel."""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.session import Session
from training_pro.ui.cancelling import Cancels
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import AT_ONCE, CHECK, answering
from training_pro.ui.panels.check import Check
from training_pro.ui.pieces import area, button
from training_pro.ui.views.check import SPEED_BUTTON
from training_pro.ui.views.markup import box


class SpeedTrial:
    """The hidden button, its Cancel, and what was measured."""

    def __init__(self, session: Session, form: Form, check: Check) -> None:
        self._session = session
        self._form = form
        self._check = check
        self._cancels = Cancels()

    def build(self) -> None:
        self.button = button("Measure speed", SPEED_BUTTON, elem_classes=["tp-hidden"])
        self.cancel = button("Cancel", f"{SPEED_BUTTON}-cancel", visible=False)
        self.said = area("speed-said")

    def connect(self) -> None:
        measure = answering(self._measure, self.said, "measuring the speed")
        begun = self.button.click(self._cancels.shown, None, [self.cancel, self.said], **AT_ONCE)
        done = begun.then(measure, self._form.inputs, self.said, api_name=False)
        done.then(self._cancels.hidden, None, self.cancel, **AT_ONCE).then(None, None, None, js=CHECK, **AT_ONCE)
        self.cancel.click(self._cancels.cancel, None, None, **AT_ONCE)

    def _measure(
        self,
        data: Values,
        request: gr.Request,
        bar: gr.Progress = gr.Progress(),  # noqa: B008 - gradio's way
    ) -> dict[Any, Any]:
        pace = self._session.measure_speed(self._form.settings(data), self._cancels.telling(bar, request))
        self._check.forget()  # which has the guess
        return {self.said: box("good", pace.sentence())}
