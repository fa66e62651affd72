"""Find the largest True Batch Size: a button below the field that it fills."""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.session import Session
from training_pro.ui.cancelling import Cancels
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import AT_ONCE, answering
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.markup import box


class LargestBatch:
    """The button, its Cancel, and what was found."""

    def __init__(self, session: Session, form: Form) -> None:
        self._session = session
        self._form = form
        self._cancels = Cancels()

    def build(self) -> None:
        with button_row():
            self.button = button("Find the largest True Batch Size", "largest-batch", min_width=240)
            self.cancel = button("Cancel", "largest-batch-cancel", visible=False, scale=0)
        self.said = area("largest-batch-said")

    def connect(self) -> None:
        find = answering(self._find, self.said, "searching for the largest True Batch Size")
        begun = self.button.click(self._cancels.shown, None, [self.cancel, self.said], **AT_ONCE)
        filled = [self.said, self._form.controls["batch_size"]]
        done = begun.then(find, self._form.inputs, filled, api_name=False)
        done.then(self._cancels.hidden, None, self.cancel, **AT_ONCE)
        self.cancel.click(self._cancels.cancel, None, None, **AT_ONCE)

    def _find(
        self,
        data: Values,
        request: gr.Request,
        bar: gr.Progress = gr.Progress(),  # noqa: B008 - gradio's way
    ) -> dict[Any, Any]:
        found = self._session.largest_batch_size(self._form.settings(data), self._cancels.telling(bar, request))
        return {self.said: box("good", found.sentence()), **self._form.change({"batch_size": found.batch_size})}
