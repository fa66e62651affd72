"""The running (or last) run on the page: status, chart, samples, and everything that can be moved while it goes.

The page holds nothing of the run. Three generators per open page look once a second and send what has changed; a
look at an unchanged run costs microseconds, a chart some milliseconds, shared by pages that see the same. They are
three, because gradio makes every control anew that a generator could have changed, half a millisecond each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import gradio as gr
from gradio.context import Context

from training_pro.errors import RunError, explain
from training_pro.record.history import Event
from training_pro.session import Session
from training_pro.settings import SPECS
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.run import Run
from training_pro.ui.chart import MOST_POINTS
from training_pro.ui.handlers import AT_ONCE, QUIET, answering
from training_pro.ui.markup import box
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.readiness import host_line
from training_pro.ui.run_chart import MEASURES, ChartView, run_chart, view_of
from training_pro.ui.samples_view import samples_view
from training_pro.ui.status_view import checkpoint_list, run_status

PACE_S = 1.0
CHART_PACE_S = 2.0
LONG_CHART_PACE_S = 5.0  # of a run so long that a further update hardly shows
BEAT_LOOKS = 20  # a closed page is noticed when something is sent to it
AFTER_A_FAULT_S = 10.0


@dataclass
class Seen:
    """What a page was sent last; None: nothing yet."""

    parts: dict[str, Any] = field(default_factory=dict)
    chart_at: float = 0.0
    live: LiveValues | None = None
    view: ChartView = ChartView()

    def changed(self, name: str, key: Any) -> bool:
        """Whether the part `name` has not been sent for `key` yet; from here on it has."""
        if name in self.parts and self.parts[name] == key:
            return False
        self.parts[name] = key
        return True


class Followed(Protocol):
    """Another panel that is sent what has changed."""

    @property
    def followed(self) -> list[Any]:
        """What `changes` may update."""
        ...

    def changes(self, seen: Seen) -> dict[Any, Any]: ...


class Watch:
    """Builds the panel where the page is being built, and serves it and the `others`.

    `quick` are those of the others, small, that change as often as the run's status.
    """

    def __init__(self, session: Session, others: Sequence[Followed] = (), quick: Sequence[Followed] = ()) -> None:
        self._session = session
        self._others = others
        self._quick = quick
        self._pages: dict[str, Seen] = {}
        self._drawn: dict[Any, str] = {}

    # -- building -------------------------------------------------------------------------------------------------

    def build_host(self) -> None:
        """The line on the model, at the top of the page."""
        self.host = area("host", host_line(self._session))
        self.loras_off = button("Take the LoRA off", "loras-off", visible=False)

    def build_status(self) -> None:
        """How the run is."""
        self.status = area("status", run_status(None))

    def build(self) -> None:
        """Buttons, live controls, chart, samples."""
        self._build_buttons()
        self.said = area("live-said")
        self._build_live()
        self.chart = area("chart")
        self._build_view()
        self.checkpoints = area("checkpoints")
        self.samples = area("samples")

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

    def connect(self, editable: bool) -> None:
        """Hook up the controls and begin to follow on every page."""
        view = [self.measure, self.smoothing, self.log]
        for control in view:
            control.change(self._see, view, [self.chart, self.said], **QUIET)
        if editable:
            self._connect_controls()
        keep_following(self.follow_status, [self.status, *_controls_of(self._quick)])
        keep_following(self.follow_history, [self.chart, self.checkpoints, self.samples])
        keep_following(self.follow_rest, self._around())

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
            pressed.click(steer, None, [self.said, self.status, *self._steering()], **AT_ONCE)
        for name, control in self.live.items():
            change = answering(partial(self._set, name), self.said, "changing a live value")
            for event in _typed(control):
                event(change, control, [self.said, self.status], trigger_mode="always_last", **AT_ONCE)
        take_off = answering(self._take_loras_off, self.host, "taking the LoRA off")
        self.loras_off.click(take_off, None, [self.host, self.loras_off], **QUIET)

    def _around(self) -> list[Any]:
        return [self.host, self.loras_off, *self._steering(), *self.live.values(), *_controls_of(self._others)]

    def _steering(self) -> list[Any]:
        return [self.interrupt, self.checkpoint, self.pause, self.resume, self.sample]

    # -- following ------------------------------------------------------------------------------------------------

    async def follow_status(self) -> AsyncIterator[dict[Any, Any]]:
        """How the run is, again and again, for as long as the page is open."""
        async for updates in _following(partial(self._status_changes, Seen()), self.status):
            yield updates

    async def follow_history(self, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        """The run's chart, checkpoints and samples, as this page wants to see them."""
        name = str(request.session_hash)
        seen = self._pages[name] = Seen(view=self._pages[name].view if name in self._pages else ChartView())
        try:
            async for updates in _following(partial(self._history_changes, seen), self.chart):
                yield updates
        finally:
            if self._pages.get(name) is seen:
                del self._pages[name]

    async def follow_rest(self) -> AsyncIterator[dict[Any, Any]]:
        """What has changed around the run."""
        async for updates in _following(partial(self._changes_around, Seen()), self.host):
            yield updates

    def _status_changes(self, seen: Seen) -> dict[Any, Any]:
        updates: dict[Any, Any] = {}
        for panel in self._quick:
            updates |= panel.changes(seen)
        run = self._session.run
        if run is None:
            return updates
        controls = run.controls
        if seen.changed("status", (run, run.status, controls.values, controls.taken, _asked(controls))):
            updates[self.status] = run_status(run)
        return updates

    def _changes_around(self, seen: Seen) -> dict[Any, Any]:
        """Updates for host, buttons, live controls and the other panels."""
        run = self._session.run
        updates: dict[Any, Any] = {}
        host = self._session.host
        line = host_line(self._session)
        if seen.changed("host", (line, tuple(host.loras_on()), self._session.busy)):
            updates[self.host] = line
            updates[self.loras_off] = gr.update(visible=bool(host.loras_on()) and not self._session.busy)
        for panel in self._others:
            updates |= panel.changes(seen)
        if run is None:
            return updates
        if seen.changed("buttons", (run, run.status.running, _asked(run.controls))):
            updates |= self._buttons(run)
        return updates | self._live_values(seen, run)

    def _buttons(self, run: Run) -> dict[Any, Any]:
        goes, controls = run.status.running, run.controls
        queued = goes and controls.checkpoint_asked
        return {
            self.interrupt: gr.update(interactive=goes and not controls.interrupt_reason),
            self.checkpoint: gr.update(
                interactive=goes, value="Checkpoint queued …" if queued else "Queue Checkpoint Now"
            ),
            self.pause: gr.update(interactive=goes and not controls.paused),
            self.resume: gr.update(interactive=goes and controls.paused),
            self.sample: gr.update(interactive=goes and bool(run.settings.sample_prompts.strip())),
        }

    def _live_values(self, seen: Seen, run: Run) -> dict[Any, Any]:
        """Once they have rested for a look: a slider that somebody is dragging is not pulled away."""
        values, before = run.controls.values, seen.live
        seen.live = values
        if values != before or not seen.changed("live", (run, values, run.status.running)):
            return {}
        return {
            control: gr.update(value=getattr(values, name), interactive=run.status.running)
            for name, control in self.live.items()
        }

    def _history_changes(self, seen: Seen) -> dict[Any, Any]:
        run = self._session.run
        history = run.history if run is not None else None
        if run is None or history is None:
            return {}
        data = history.data()
        updates: dict[Any, Any] = {}
        if seen.changed("events", (run, len(data.events))):
            updates[self.checkpoints] = checkpoint_list(data.events)
            updates[self.samples] = samples_view(data.events)
        now = time.monotonic()
        pace_s = CHART_PACE_S if len(data.points) <= MOST_POINTS else LONG_CHART_PACE_S
        if now - seen.chart_at >= pace_s or not run.status.running:
            key = _chart_key(run, seen.view, len(data.points), data.points[-1:], data.events)
            if seen.changed("chart", key):
                seen.chart_at = now
                updates[self.chart] = self._chart(key, run, seen.view)
        return updates

    def _chart(self, key: Any, run: Run, view: ChartView) -> str:
        """Drawn once for all pages that want the same."""
        drawn = self._drawn.get(key)
        if drawn is None:
            assert run.history is not None
            data = run.history.data()
            drawn = run_chart(data.points, data.events, view, run.controls.values.stop_at_loss)
            self._drawn = {**dict(list(self._drawn.items())[-3:]), key: drawn}
        return drawn

    # -- what people do -------------------------------------------------------------------------------------------

    def _see(self, measure: str, smoothing: float | None, log: bool, request: gr.Request) -> dict[Any, Any]:
        view = view_of(measure, log, smoothing)
        seen = self._pages.setdefault(str(request.session_hash), Seen())
        seen.view, seen.chart_at = view, 0.0
        run = self._session.run
        if run is None or run.history is None:
            return {self.said: ""}
        data = run.history.data()
        return {self.chart: run_chart(data.points, data.events, view, run.controls.values.stop_at_loss)}

    def _going(self) -> Run:
        run = self._session.run
        if run is None or not run.status.running:
            raise RunError("No run is going; press Start first.")
        return run

    def _steer(self, action: Callable[[Controls], str]) -> dict[Any, Any]:
        run = self._going()
        said = action(run.controls)
        return {self.said: box("info", said), self.status: run_status(run), **self._buttons(run)}

    def _set(self, name: str, value: float | None) -> dict[Any, Any]:
        run = self._session.run
        if run is None or not run.status.running or value is None:
            return {self.said: ""}
        run.controls.set(**{name: value})
        return {self.said: "", self.status: run_status(run)}

    def _take_loras_off(self) -> dict[Any, Any]:
        self._session.host.take_loras_off()
        return {self.host: host_line(self._session), self.loras_off: gr.update(visible=False)}


def _controls_of(panels: Sequence[Followed]) -> list[Any]:
    return [control for panel in panels for control in panel.followed]


async def _following(changes: Callable[[], dict[Any, Any]], said: Any) -> AsyncIterator[dict[Any, Any]]:
    """What `changes` finds, look after look; a fault goes to `said` as a sentence."""
    quiet_looks = 0
    while True:
        updates, pause_s = await _look(changes, said)
        quiet_looks = 0 if updates else quiet_looks + 1
        if updates or quiet_looks >= BEAT_LOOKS:
            quiet_looks = 0
            yield updates or {said: gr.update()}
        await asyncio.sleep(pause_s)


async def _look(changes: Callable[[], dict[Any, Any]], said: Any) -> tuple[dict[Any, Any], float]:
    try:
        return await asyncio.to_thread(changes), PACE_S
    except Exception as error:  # noqa: BLE001 - watching must outlive a fault in what is watched
        return {said: box("error", explain(error, "showing the run"))}, AFTER_A_FAULT_S


def keep_following(follow: Callable[..., Any], outputs: list[Any]) -> None:
    """Begin `follow` on every page that opens; where the page can, begin anew after a lost connection."""
    page = Context.root_block
    options: dict[str, Any] = {**QUIET, "concurrency_limit": None}
    if hasattr(gr, "Timer"):
        gr.Timer(1).tick(follow, None, outputs, trigger_mode="once", **options)
    elif page is not None:
        page.load(follow, None, outputs, **options)


def _asked(controls: Controls) -> Any:
    return controls.checkpoint_asked, controls.interrupt_reason, controls.paused


def _chart_key(run: Run, view: ChartView, updates: int, last: Any, events: tuple[Event, ...]) -> Any:
    evaluated = last[0].eval_loss if len(last) else None
    return (run, view, updates, str(evaluated), len(events), run.controls.values.stop_at_loss)


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
    return "A checkpoint is queued: it is written with the update in progress."


def _pause(controls: Controls) -> str:
    controls.pause()
    return "The run holds before its next update."


def _resume(controls: Controls) -> str:
    controls.resume()
    return "The run goes on."


def _sample(controls: Controls) -> str:
    controls.ask_sample()
    return "The sample prompts are answered after the update in progress."
