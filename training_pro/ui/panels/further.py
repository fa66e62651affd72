"""Training a run further: how many more epochs, and the button that starts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.record.runs import summarize
from training_pro.session import Session
from training_pro.training.further import further_settings
from training_pro.training.run import Run
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.panels.began import Began
from training_pro.ui.panels.readiness import check_ready
from training_pro.ui.pieces import button

CAN_BE_TRAINED_FURTHER = ("finished", "stopped")
_STOPS = {"stop_at_loss": 0.0, "stop_at_epoch": 0, "eval_patience": 0}


class Further:
    """A number and a button; they stand in more than one place, each with ids of its own."""

    def __init__(self, session: Session, place: str, began: Began) -> None:
        self._session = session
        self._place = place
        self._began = began

    def build(self) -> None:
        self.epochs = gr.Number(
            1, label="More epochs", step=0.5, minimum=0, elem_id=f"tp-{self._place}-more-epochs", min_width=110,
            elem_classes=["tp-field", "tp-more-epochs"], scale=0,
        )  # fmt: skip
        self.go = button("Train further", f"{self._place}-further")

    def connect(self, folder: Callable[..., Path], inputs: Sequence[Any], said: Any) -> None:
        """`folder(*inputs)` is the run that is meant."""
        go = answering(partial(self._start, folder, said), said, "training the run further")
        self.go.click(go, [self.epochs, *inputs], said, **QUIET)

    def _start(self, folder: Callable[..., Path], said: Any, epochs: float | None, *given: Any) -> dict[Any, Any]:
        return {said: self._began.said(*train_further(self._session, folder(*given), epochs))}


def train_further(session: Session, folder: Path, more_epochs: float | None) -> tuple[Run, str]:
    """Start the new part; the run, and a sentence on what was started.

    Raises:
        UserError: the run can't be trained further; with the way out.
    """
    if more_epochs is None:
        raise RunError("More epochs is empty. Type how many more, for example 1.")
    check_ready(session)
    settings = further_settings(folder, more_epochs)
    stopped = summarize(folder).state == "stopped"
    if stopped:  # or it would end at once
        settings = settings.changed(**_STOPS)
    run = session.start(settings, "further", where=session.last_place)
    off = " The stop that ended it is off in the new part." if stopped else ""
    return run, f'The run "{settings.name}" trains further, to {settings.epochs:g} epochs.{off}'
