from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import StandInSession, build_form, no_bar, page
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.training.pace import Pace
from training_pro.ui.form import TEXT, Form
from training_pro.ui.panels.check import Check
from training_pro.ui.panels.speed_trial import SpeedTrial


class Session(StandInSession):
    """Its speed is measured at once, for the settings in `tried`."""

    tried: Settings
    pace: Pace | None = Pace(540.0, "a trial")

    def measure_speed(self, settings: Settings, progress: Any) -> Pace:
        if self.pace is None:
            raise RunError("The model is in use.")
        progress(1, 2, "Trying")
        self.tried = settings
        return self.pace


@pytest.fixture
def session(folders: Folders) -> Session:
    return Session(folders)


@pytest.fixture
def trial(session: Session) -> Any:
    form = Form(editable=True)
    with gr.Blocks():
        build_form(form)
        made = SpeedTrial(session, form, Check(session, form))
        made.build()
        made.connect()
    data = {control: control.value for control in form.controls.values()}
    return lambda **changes: made._measure(
        {**data, form.kind: TEXT} | {form.controls[name]: value for name, value in changes.items()}, page(), no_bar
    )[made.said]


def test_the_run_to_be_is_measured_and_its_time_said(session: Session, trial: Any) -> None:
    assert "9 min" in trial(rank=7) and session.tried.rank == 7


def test_a_model_in_use_is_not_measured(session: Session, trial: Any) -> None:
    session.pace = None
    with pytest.raises(RunError, match="in use"):
        trial()
