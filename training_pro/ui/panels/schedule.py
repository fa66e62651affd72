"""The schedule's curve on the page: drawn anew whenever something that shapes it changes."""

from __future__ import annotations

from typing import Any

from training_pro.session import Session
from training_pro.training.learning_rate import check_schedule
from training_pro.training.planning import plan_for
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.panels.verify import Verify
from training_pro.ui.pieces import area
from training_pro.ui.views.markup import box
from training_pro.ui.views.schedule import schedule_view

SHAPING = (
    "lr_scheduler_type",
    "learning_rate",
    "warmup_steps",
    "warmup_ratio",
    "epochs",
    "batch_size",
    "gradient_accumulation_steps",
    "save_steps",
)


class SchedulePanel:
    """Draws the curve for as many blocks as the last Verify found."""

    def __init__(self, session: Session, form: Form, verify: Verify) -> None:
        self._session = session
        self._form = form
        self._verify = verify

    def build(self) -> None:
        self.curve = area("curve", box("info", "Press Verify to see the learning rate over the whole run."))

    def connect(self) -> None:
        draw = answering(self._draw, self.curve, "drawing the schedule")
        for name in SHAPING:
            changed = self._form.controls[name].change
            changed(draw, self._form.inputs, self.curve, trigger_mode="always_last", **QUIET)
        self._verify.done.then(draw, self._form.inputs, self.curve, **QUIET)

    def _draw(self, data: Values) -> dict[Any, Any]:
        blocks = self._verify.blocks
        if blocks is None:
            return {self.curve: box("info", "Press Verify to see the learning rate over the whole run.")}
        settings = self._form.settings(data)
        schedules = self._session.host.folders.schedules
        check_schedule(settings.lr_scheduler_type, schedules, has_eval=True)
        return {self.curve: schedule_view(settings, plan_for(settings, blocks, schedules), schedules)}
