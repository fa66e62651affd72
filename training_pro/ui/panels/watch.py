"""The running (or last) run on the page: status, chart, samples, and everything that can be moved while it goes.

The page holds nothing of the run. A look at an unchanged run costs microseconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from training_pro.errors import RunError, faults_of
from training_pro.record.history import Event
from training_pro.session import Session
from training_pro.settings import SPECS, Settings
from training_pro.training.controls import SCALE_LABEL, Controls, LiveValues
from training_pro.training.run import Run
from training_pro.ui.hand import Hand
from training_pro.ui.handlers import AT_ONCE, answering
from training_pro.ui.live import Follows, Pulled, Shown, slot_area
from training_pro.ui.panels.readiness import host_line
from training_pro.ui.pieces import area, button, card
from training_pro.ui.views.markup import box
from training_pro.ui.views.samples import samples_view
from training_pro.ui.views.status import checkpoint_list, ends, run_status

REST_S = 0.8  # a slider that is being dragged is not pulled away


class Watch(Follows):
    """Builds the panel where the page is being built; what it shows follows the run."""

    def __init__(self, session: Session, editable: bool = True) -> None:
        self._session = session
        self._editable = editable
        self._live: tuple[LiveValues | None, float] = None, 0.0
        self._rested: Any = None
        self.moved = Hand("live")

    # -- building -------------------------------------------------------------------------------------------------

    def build_top(self) -> None:
        """The line at the top of every tab."""
        self.host = slot_area("host", host_line(self._session))

    def build(self) -> None:
        """The run: its numbers, chart and controls; the samples below it."""
        with card("run", "tp-lift"):
            self.status = slot_area("status", run_status(self._session.run))
            self.chart = slot_area("chart")
            if self._editable:
                self._build_controls()
            self.said = area("live-said")
            self.refused = area("live-refused")  # apart: what happens to the run does not take it away
            self.checkpoints = slot_area("checkpoints")
        self.samples = slot_area("samples")

    def _build_controls(self) -> None:
        with gr.Row(elem_classes=["tp-controls"]):
            self.pause = button("Pause", "pause", elem_classes=["tp-i", "tp-i-pause"])
            self.resume = button("Resume", "continue", visible=False, elem_classes=["tp-i", "tp-i-play"])
            self.checkpoint = button("Save checkpoint", "checkpoint", elem_classes=["tp-i", "tp-i-save"])
            self.sample = button("Sample now", "sample", elem_classes=["tp-i", "tp-i-quote"])
            self.interrupt = button("Stop", "interrupt", elem_classes=["tp-i", "tp-i-stop", "tp-stop"])
            with gr.Row(elem_classes=["tp-live"]):
                self.live: dict[str, Any] = {
                    "stop_at_loss": _live_slider("stop_at_loss"),
                    "stop_at_epoch": gr.Number(
                        0,
                        label=SPECS["stop_at_epoch"].label,
                        precision=0,
                        elem_id="tp-live-epoch",
                        min_width=80,
                        elem_classes=["tp-field"],
                    ),
                    "learning_rate_scale": gr.Number(
                        1,
                        label=SCALE_LABEL,
                        step=0.1,
                        elem_id="tp-live-scale",
                        min_width=80,
                        elem_classes=["tp-field"],
                    ),
                }
        self.moved.build()

    # -- hooking up -----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Hook up the controls."""
        if self._editable:
            self._connect_controls()

    def _connect_controls(self) -> None:
        actions: list[tuple[Any, Callable[[Controls], str]]] = [
            (self.interrupt, _interrupt),
            (self.checkpoint, _checkpoint),
            (self.pause, _pause),
            (self.resume, _resume),
            (self.sample, _sample),
        ]
        for pressed, action in actions:
            steer = answering(partial(self._steer, action), self.said, "steering the run")
            pressed.click(steer, None, [self.said, *self._steering()], **AT_ONCE)
        # By the page's script (assets/hands.js) and not by gradio's events, of which a dragged slider sends dozens.
        self.moved.connect(self._move, [self.refused, *self.live.values()])

    def _steering(self) -> list[Any]:
        return [self.interrupt, self.checkpoint, self.pause, self.resume, self.sample, self.refused]

    # -- following ------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Shown]:
        """The line at the top, status, checkpoints and samples; the chart is `LiveChart`'s."""
        return [
            Shown("host", lambda: host_line(self._session), lambda: host_line(self._session)),
            Shown("status", self._status_stamp, lambda: run_status(self._session.run)),
            Shown("checkpoints", self._events_stamp, lambda: checkpoint_list(self._events())),
            Shown("samples", self._events_stamp, lambda: samples_view(self._events())),
        ]

    @property
    def pulled(self) -> list[Pulled]:
        """The buttons and the live values; and, for another run or at its end, that nothing is said any more."""
        if not self._editable:
            return []
        return [
            Pulled("buttons", self._buttons_stamp, self._steering(), lambda: self._buttons(self._session.run)),
            Pulled("steered", self._steered_stamp, [self.said], lambda: {self.said: ""}),
            Pulled("live", self._live_stamp, list(self.live.values()), self._live_values),
        ]

    def _events(self) -> tuple[Event, ...]:
        run = self._session.run
        return run.history.data().events if run is not None and run.history is not None else ()

    def _status_stamp(self) -> Any:
        run = self._session.run
        if run is None:
            return None
        return run, run.status, run.controls.values, run.controls.taken, _asked(run.controls)

    def _events_stamp(self) -> Any:
        return self._session.run, len(self._events())

    def _steered_stamp(self) -> Any:
        """What was said is done then: the run pauses, a checkpoint is there, another run is shown."""
        run = self._session.run
        if run is None:
            return None
        saved = sum(event.kind == "checkpoint" for event in self._events())
        return run, run.status.running, run.status.phase == "paused", saved

    def _buttons_stamp(self) -> Any:
        run = self._session.run
        return (run, run.status.running, _asked(run.controls)) if run is not None else None

    def _buttons(self, run: Run | None) -> dict[Any, Any]:
        goes = _goes(run)
        controls = run.controls if run is not None else Controls(Settings())
        queued = goes and controls.checkpoint_asked
        return {
            self.interrupt: gr.update(interactive=goes),
            self.checkpoint: gr.update(interactive=goes, value="Checkpoint queued …" if queued else "Save checkpoint"),
            self.pause: gr.update(interactive=goes, visible=not controls.paused),
            self.resume: gr.update(interactive=goes, visible=controls.paused),
            self.sample: gr.update(interactive=goes),
            self.refused: "",
        }

    def _live_stamp(self) -> Any:
        """As before until the values have rested."""
        run = self._session.run
        if run is None:
            return None
        values, now = run.controls.values, time.monotonic()
        if values != self._live[0]:
            self._live = values, now
        goes, rested = _goes(run), self._rested
        if now - self._live[1] >= REST_S or rested is None or (rested[0], rested[2]) != (run, goes):
            self._rested = run, values, goes
        return self._rested

    def _live_values(self) -> dict[Any, Any]:
        run = self._session.run
        values = (run.controls if run is not None else Controls(Settings())).values
        return {
            control: gr.update(value=getattr(values, name), interactive=_goes(run))
            for name, control in self.live.items()
        }

    # -- what people do -------------------------------------------------------------------------------------------

    def _going(self) -> Run:
        run = self._session.run
        if run is None or not run.status.running:
            raise RunError("No run is in progress. Press Start first.")
        return run

    def _steer(self, action: Callable[[Controls], str]) -> dict[Any, Any]:
        run = self._going()
        if action is _sample and not run.settings.sample_prompts.strip():
            raise RunError("This run has no sample prompt. Type one under While it learns before the next run.")
        said = action(run.controls)
        return {self.said: box("info", said), **self._buttons(run)}

    def _move(self, wanted: str) -> dict[Any, Any]:
        """`wanted`: JSON, live values by their names. What is refused is said; the fields show what counts again."""
        try:
            run = self._session.run
            change = {
                name: value for name, value in json.loads(wanted).items() if name in self.live and value is not None
            }
            if run is not None and run.status.running and change:
                run.controls.set(**change)
        except Exception as error:  # noqa: BLE001 - as in `answering`, and the fields besides
            return {self.refused: box("error", faults_of(error, "changing a live value")), **self._live_values()}
        return {self.refused: ""}


def _goes(run: Run | None) -> bool:
    return run is not None and run.status.running and not ends(run.controls)


def _asked(controls: Controls) -> Any:
    return controls.checkpoint_asked, ends(controls), controls.paused


def _live_slider(name: str) -> Any:
    spec = SPECS[name]
    return gr.Slider(
        spec.low,
        spec.high,
        value=0,
        step=spec.step,
        label=spec.label,
        elem_id="tp-live-loss",
        scale=2,
        min_width=160,
        elem_classes=["tp-field"],
    )


def _interrupt(controls: Controls) -> str:
    controls.interrupt()
    return "The run ends with the current batch, and the LoRA is saved."


def _checkpoint(controls: Controls) -> str:
    controls.ask_checkpoint()
    return "A checkpoint is saved with the current update and then listed below the chart."


def _pause(controls: Controls) -> str:
    controls.pause()
    return "The run pauses before its next update."


def _resume(controls: Controls) -> str:
    controls.resume()
    return "The run continues."


def _sample(controls: Controls) -> str:
    controls.ask_sample()
    return "The sample prompts are answered after the current update."
