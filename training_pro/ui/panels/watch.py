"""The running (or last) run on the page: status, chart, samples, and everything that can be moved while it goes.

The page holds nothing of the run. A look at an unchanged run costs microseconds, a chart some milliseconds, shared by
pages that see the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.record.history import Event, HistoryData
from training_pro.session import Session
from training_pro.settings import SPECS, Settings
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.run import Run
from training_pro.ui.handlers import AT_ONCE, QUIET, answering
from training_pro.ui.live import MOST_VIEWS, Follows, Pulled, Shown, slot_area
from training_pro.ui.panels.readiness import host_line
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.chart import MOST_POINTS
from training_pro.ui.views.markup import box
from training_pro.ui.views.run_chart import MEASURES, ChartView, run_chart
from training_pro.ui.views.samples import samples_view
from training_pro.ui.views.status import checkpoint_list, run_status

CHART_PACE_S = 2.5
LONG_CHART_PACE_S = 5.0  # of a run so long that a further update hardly shows
REST_S = 0.8  # a slider that somebody is dragging is not pulled away
_VIEW = "(measure, smoothing, log) => window.trainingProLive.view(measure, smoothing, log)"


class Watch(Follows):
    """Builds the panel where the page is being built; what it shows follows the run."""

    def __init__(self, session: Session, editable: bool = True) -> None:
        self._session = session
        self._editable = editable
        self._charts: dict[ChartView, tuple[float, Any]] = {}
        self._live: tuple[LiveValues | None, float] = None, 0.0
        self._rested: Any = None

    # -- building -------------------------------------------------------------------------------------------------

    def build_host(self) -> None:
        """The line on the model, at the top of the page."""
        self.host = slot_area("host", host_line(self._session))
        self.host_said = area("host-said")
        self.loras_off = button("Take the LoRA off", "loras-off", visible=False)

    def build_status(self) -> None:
        """How the run is."""
        self.status = slot_area("status", run_status(self._session.run))

    def build(self) -> None:
        """Buttons, live controls, chart, samples."""
        self._build_buttons()
        self.said = area("live-said")
        self._build_live()
        self.chart = slot_area("chart")
        self._build_view()
        self.checkpoints = slot_area("checkpoints")
        self.samples = slot_area("samples")

    def _build_buttons(self) -> None:
        with button_row():
            self.interrupt = button("Interrupt", "interrupt", interactive=False, variant="stop")
            self.checkpoint = button("Queue Checkpoint Now", "checkpoint", interactive=False)
            self.pause = button("Pause", "pause", interactive=False)
            self.resume = button("Continue", "continue", interactive=False)
            self.sample = button("Sample now", "sample", interactive=False)

    def _build_live(self) -> None:
        with gr.Accordion("Change while it trains", open=True, elem_id="tp-live"), gr.Row():
            self.live: dict[str, Any] = {
                "stop_at_loss": _live_slider("stop_at_loss"),
                "stop_at_epoch": gr.Number(
                    0, label=SPECS["stop_at_epoch"].label, precision=0, interactive=False, elem_id="tp-live-epoch"
                ),
                "learning_rate_scale": gr.Number(
                    1, label="Learning rate ×", step=0.1, interactive=False, elem_id="tp-live-scale"
                ),
            }

    def _build_view(self) -> None:
        with gr.Accordion("How the chart is drawn", open=False), gr.Row():
            choices = [(label, measure) for measure, label in MEASURES.items()]
            self.measure = gr.Dropdown(choices, value="learning_rate", label="Right axis", elem_id="tp-right-axis")
            self.smoothing = gr.Number(
                0, label="Smoothing", info="Mean of so many updates. 0: as the stop loss.", precision=0
            )
            self.log = gr.Checkbox(False, label="Log scale", elem_id="tp-log")

    # -- hooking up -----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Hook up the controls."""
        view = [self.measure, self.smoothing, self.log]
        for control in view:
            control.change(None, view, None, js=_VIEW)
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
        for name, control in self.live.items():
            change = answering(partial(self._set, name), self.said, "changing a live value")
            for event in _typed(control):
                event(change, control, self.said, trigger_mode="always_last", **AT_ONCE)
        take_off = answering(self._take_loras_off, self.host_said, "taking the LoRA off")
        self.loras_off.click(take_off, None, [self.host_said, self.loras_off], **QUIET)

    def _steering(self) -> list[Any]:
        return [self.interrupt, self.checkpoint, self.pause, self.resume, self.sample]

    # -- following ------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Shown]:
        """Model, status, chart, checkpoints and samples."""
        return [
            Shown("host", lambda _: host_line(self._session), lambda _: host_line(self._session)),
            Shown("status", self._status_stamp, lambda _: run_status(self._session.run)),
            Shown("chart", self._chart_stamp, self._chart, by_view=True),
            Shown("checkpoints", self._events_stamp, lambda _: checkpoint_list(self._events())),
            Shown("samples", self._events_stamp, lambda _: samples_view(self._events())),
        ]

    @property
    def pulled(self) -> list[Pulled]:
        """The buttons and the live values; and, for another run or at its end, that nothing is said any more."""
        if not self._editable:
            return []
        buttons = [self.loras_off, *self._steering()]
        return [
            Pulled("buttons", self._buttons_stamp, buttons, self._all_buttons),
            Pulled("steered", self._steered_stamp, [self.said], lambda: {self.said: ""}),
            Pulled("live", self._live_stamp, list(self.live.values()), self._live_values),
        ]

    def _events(self) -> tuple[Event, ...]:
        run = self._session.run
        return run.history.data().events if run is not None and run.history is not None else ()

    def _status_stamp(self, _: ChartView) -> Any:
        run = self._session.run
        if run is None:
            return None
        return run, run.status, run.controls.values, run.controls.taken, _asked(run.controls)

    def _events_stamp(self, _: ChartView) -> Any:
        return self._session.run, len(self._events())

    def _chart_stamp(self, view: ChartView) -> Any:
        """As before, if the chart was another just now: it costs more than all else."""
        run = self._session.run
        if run is None or run.history is None:
            return None
        data = run.history.data()
        drawn_at, before = self._charts.pop(view, (0.0, None))
        pace_s = CHART_PACE_S if len(data.points) <= MOST_POINTS else LONG_CHART_PACE_S
        key = _chart_key(run, data)
        early = before is not None and before[0] is run and time.monotonic() - drawn_at < pace_s
        if before != key and not (early and run.status.running):
            drawn_at, before = time.monotonic(), key
        self._charts[view] = drawn_at, before
        while len(self._charts) > MOST_VIEWS:
            del self._charts[next(iter(self._charts))]
        return before

    def _chart(self, view: ChartView) -> str:
        run = self._session.run
        if run is None or run.history is None:
            return ""
        data = run.history.data()
        return run_chart(data.points, data.events, view, run.controls.values.stop_at_loss)

    def _steered_stamp(self) -> Any:
        run = self._session.run
        return run, run is not None and run.status.running

    def _buttons_stamp(self) -> Any:
        run, loras = self._session.run, tuple(self._session.host.loras_on())
        steered = (run, run.status.running, _asked(run.controls)) if run is not None else None
        return loras, self._session.busy, steered

    def _all_buttons(self) -> dict[Any, Any]:
        loras_off = gr.update(visible=bool(self._session.host.loras_on()) and not self._session.busy)
        run = self._session.run
        return {self.loras_off: loras_off, **self._buttons(run)}

    def _buttons(self, run: Run | None) -> dict[Any, Any]:
        goes = run is not None and run.status.running
        controls = run.controls if run is not None else Controls(Settings())
        queued = goes and controls.checkpoint_asked
        return {
            self.interrupt: gr.update(interactive=goes and not controls.interrupt_reason),
            self.checkpoint: gr.update(
                interactive=goes, value="Checkpoint queued …" if queued else "Queue Checkpoint Now"
            ),
            self.pause: gr.update(interactive=goes and not controls.paused),
            self.resume: gr.update(interactive=goes and controls.paused),
            self.sample: gr.update(interactive=goes),
        }

    def _live_stamp(self) -> Any:
        """As before until the values have rested."""
        run = self._session.run
        if run is None:
            return None
        values, now = run.controls.values, time.monotonic()
        if values != self._live[0]:
            self._live = values, now
        if now - self._live[1] >= REST_S or self._rested is None or self._rested[0] is not run:
            self._rested = run, values, run.status.running
        return self._rested

    def _live_values(self) -> dict[Any, Any]:
        run = self._session.run
        values = (run.controls if run is not None else Controls(Settings())).values
        return {
            control: gr.update(value=getattr(values, name), interactive=run is not None and run.status.running)
            for name, control in self.live.items()
        }

    # -- what people do -------------------------------------------------------------------------------------------

    def _going(self) -> Run:
        run = self._session.run
        if run is None or not run.status.running:
            raise RunError("No run is going; press Start first.")
        return run

    def _steer(self, action: Callable[[Controls], str]) -> dict[Any, Any]:
        run = self._going()
        if action is _sample and not run.settings.sample_prompts.strip():
            raise RunError("This run has no sample prompts; type some under Samples, evaluation steps, logs next time.")
        said = action(run.controls)
        return {self.said: box("info", said), **self._buttons(run)}

    def _set(self, name: str, value: float | None) -> dict[Any, Any]:
        run = self._session.run
        if run is None or not run.status.running or value is None:
            return {self.said: ""}
        run.controls.set(**{name: value})
        return {self.said: ""}

    def _take_loras_off(self) -> dict[Any, Any]:
        self._session.host.take_loras_off()
        return {self.host_said: "", self.loras_off: gr.update(visible=False)}


def _asked(controls: Controls) -> Any:
    return controls.checkpoint_asked, controls.interrupt_reason, controls.paused


def _chart_key(run: Run, data: HistoryData) -> Any:
    evaluated = data.points[-1].eval_loss if len(data.points) else None
    return (run, len(data.points), str(evaluated), len(data.events), run.controls.values.stop_at_loss)


def _live_slider(name: str) -> Any:
    spec = SPECS[name]
    return gr.Slider(
        spec.low,
        spec.high,
        value=0,
        step=spec.step,
        label=spec.label,
        info=spec.help,
        interactive=False,
        elem_id="tp-live-loss",
        scale=2,
    )


def _typed(control: Any) -> list[Any]:
    """The events of a person changing the control: not those of the server doing it."""
    return [control.input, control.release] if isinstance(control, gr.Slider) else [control.input]


def _interrupt(controls: Controls) -> str:
    controls.interrupt()
    return "The run ends with the batch in progress; the LoRA is saved."


def _checkpoint(controls: Controls) -> str:
    controls.ask_checkpoint()
    return "A checkpoint is queued: it is written with the update in progress, and then listed below the chart."


def _pause(controls: Controls) -> str:
    controls.pause()
    return "The run holds before its next update."


def _resume(controls: Controls) -> str:
    controls.resume()
    return "The run goes on."


def _sample(controls: Controls) -> str:
    controls.ask_sample()
    return "The sample prompts are answered after the update in progress."
