"""What follows the session on every open page by itself, asked for by the page's own script (``assets/live.js``).

The script asks every second or two, says what it shows already, and is answered with what is another by now. HTML of
ours it puts on the page itself; where gradio's controls have to change, it presses a hidden button, whose handler gives
their updates. A look in which nothing is new costs the server some two milliseconds, nearly all of them gradio's; a
handler that streams through gradio's queue would cost ten times that. The server keeps nothing of a page: one that was
away, or sees a restarted server, says what it has and is sent the rest.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from training_pro.errors import explain
from training_pro.ui.handlers import AT_ONCE
from training_pro.ui.pieces import area
from training_pro.ui.views.markup import box, text

logger = logging.getLogger(__name__)

_ASSETS = Path(__file__).resolve().parent.parent / "assets"
SCRIPT = _ASSETS / "live.js"
CHART_SCRIPTS = tuple(_ASSETS / name for name in ("chart.js", "chart_hands.js", "chart_save.js"))
LOOK = "training_pro_live"  # the name of the question, part of its address
PACE_S = 1.8
QUIET_PACE_S = 2.5  # while nothing is in progress
ANSWER_PACE_S = 0.5  # while an answer is read as it is written
AFTER_A_FAULT_S = 10.0


class ChartNews(Protocol):
    """What the chart shows: see `LiveChart`."""

    def news(self, have: dict[str, Any], smoothing: int) -> dict[str, Any] | None: ...

    def table(self) -> str: ...


@dataclass(frozen=True)
class Shown:
    """HTML in the slot `name`. What `stamp` gives stays equal for as long as `draw` would give the same."""

    name: str
    stamp: Callable[[], Any]
    draw: Callable[[], str]


@dataclass(frozen=True)
class Pulled:
    """Gradio's controls `outputs`, which get `updates()` whenever `stamp()` is another."""

    name: str
    stamp: Callable[[], Any]
    outputs: Sequence[Any]
    updates: Callable[[], dict[Any, Any]]


class Follows:
    """A panel of which something follows the session."""

    @property
    def shown(self) -> list[Shown]:
        """Its HTML that does."""
        return []

    @property
    def pulled(self) -> list[Pulled]:
        """Its controls that do."""
        return []


def slot_area(name: str, html: str = "") -> Any:
    """Where the page's script puts what a `Shown` of this name draws; `html` until it first does."""
    return area(name, f'<div class="tp-slot" data-slot="{text(name)}">{html}</div>')


class _Kept:
    """What was drawn last of one thing, for all pages; drawn by one of them at a time, while the others keep it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._stamp: Any = None
        self._fault = ""
        self.version = ""
        self.html = ""

    @property
    def faulty(self) -> bool:
        return bool(self._fault)

    def refresh(self, stamp: Callable[[], Any], draw: Callable[[], str]) -> None:
        """Draw again if the stamp has changed; a fault becomes what is shown, and is logged once. Never waits."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            now = stamp()
            if not self.version or self._fault or now != self._stamp:
                self._set(now, draw())
                self._fault = ""
        except Exception as error:  # noqa: BLE001 - looking must outlive a fault in what is looked at
            self._fail(error)
        finally:
            self._lock.release()

    def _set(self, stamp: Any, html: str) -> None:
        self._stamp, self.html, self.version = stamp, html, secrets.token_hex(6)

    def _fail(self, error: Exception) -> None:
        fault = f"{type(error).__name__}: {error}"
        if fault != self._fault:
            self._set(None, box("error", explain(error, f"showing the {self._name.replace('-', ' ')}")))
            self._fault = fault


class LiveUpdates:
    """Answers the looks of all pages.

    `pulse` says how the run is, for the notices; `pace_s`, when to look again; `chart`, what is new on it.
    """

    def __init__(
        self,
        panels: Sequence[Follows],
        pulse: Callable[[], dict[str, Any]],
        pace_s: Callable[[], float],
        chart: ChartNews,
    ) -> None:
        self._panels = panels
        self._pulse = pulse
        self._pace_s = pace_s
        self._chart = chart
        self._chart_fault = ""
        self._lock = threading.Lock()  # of the next one, for moments
        self._kept: dict[str, _Kept] = {}

    def build(self) -> None:
        """The question, its answer, and the button for all that is `pulled`; nobody sees them."""
        self._shown = [shown for panel in self._panels for shown in panel.shown]
        self._pulled = [pulled for panel in self._panels for pulled in panel.pulled]
        self.asked = gr.Textbox(visible=False)
        self.answer = gr.Textbox(visible=False)
        self.pull = gr.Button("pull", elem_id="tp-pull", elem_classes=["tp-hidden"])
        self.due = gr.Textbox(elem_classes=["tp-hidden"])

    def connect(self, page: Any) -> None:
        for script in (*CHART_SCRIPTS, SCRIPT):
            page.load(None, None, None, js=script.read_text(encoding="utf-8"))
        self.asked.change(self.look, self.asked, self.answer, **{**AT_ONCE, "api_name": LOOK})
        self._connect_pull(self._pulled)

    def _connect_pull(self, pulled: Sequence[Pulled]) -> None:
        """Of all those that the page says are due: another's message would be taken away too early."""
        outputs = list(dict.fromkeys(output for one in pulled for output in one.outputs))
        # The page asks one at a time. Where one gets lost, gradio 4 would hold back all later ones of "always_last".
        got = self.pull.click(
            partial(_updates, pulled, self.due), self.due, [self.due, *outputs], trigger_mode="multiple",
            js="() => [window.trainingProLive.due()]", **AT_ONCE,
        )  # fmt: skip
        several = [one for one in outputs if isinstance(one, gr.Dropdown) and one.multiselect]
        if several:  # gradio 4 knows what is chosen by its place in the list, until it is given the value
            got.success(None, several, several, js="(...values) => values", api_name=False)
        got.success(None, self.due, None, js="(answered) => window.trainingProLive.got(answered)")

    def look(self, asked: str) -> str:
        """What a page is to show by now, as JSON.

        Args:
            asked: JSON, {"have": {slot: version}, "chart": what the chart shows, "smoothing": updates}; what is
                missing or makes no sense is as if the page had nothing. {"table": true} asks for the chart's table.
        """
        question = _read(asked)
        if question.get("table") is True:
            return json.dumps({"table": self._chart.table()})
        have, chart, smoothing = _parts(question)
        slots = {shown.name: self._kept_new(shown.name, shown.stamp, shown.draw) for shown in self._shown}
        pulled = {one.name: self._kept_new(f"pulled {one.name}", one.stamp, str) for one in self._pulled}
        curves = self._curves(chart, smoothing)
        faulty = bool(self._chart_fault) or any(kept.faulty for kept in (*slots.values(), *pulled.values()))
        answer = {
            "pace_ms": round(1000 * (AFTER_A_FAULT_S if faulty else self._pace_s())),
            "pulse": self._pulse(),
            "chart": curves,
            "slots": {
                name: [kept.version, kept.html]
                for name, kept in slots.items()
                if kept.version and have.get(name) != kept.version
            },
            "pulled": {name: kept.version for name, kept in pulled.items() if kept.version},
        }
        return json.dumps(answer, separators=(",", ":"))

    def _kept_new(self, name: str, stamp: Callable[[], Any], draw: Callable[[], str]) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(name, _Kept(name))
        kept.refresh(stamp, draw)
        return kept

    def _curves(self, have: dict[str, Any], smoothing: int) -> dict[str, Any] | None:
        """What is new on the chart; a fault becomes its sentence, and is logged once."""
        try:
            news = self._chart.news(have, smoothing)
        except Exception as error:  # noqa: BLE001 - looking must outlive a fault in what is looked at
            fault = f"{type(error).__name__}: {error}"
            said = explain(error, "drawing the chart") if fault != self._chart_fault else None
            self._chart_fault = fault
            return {"key": "", "fault": said} if said else None
        self._chart_fault = ""
        return news


def _read(asked: Any) -> dict[str, Any]:
    try:
        question = json.loads(asked)
    except (TypeError, ValueError, RecursionError):
        question = None
    return question if isinstance(question, dict) else {}


def _parts(question: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], int]:
    have, chart, smoothing = question.get("have"), question.get("chart"), question.get("smoothing")
    updates = int(smoothing) if isinstance(smoothing, (int, float)) and 0 <= smoothing < 1e9 else 0
    return have if isinstance(have, dict) else {}, chart if isinstance(chart, dict) else {}, updates


def _updates(pulled: Sequence[Pulled], due: Any, asked: str) -> dict[Any, Any]:
    """Of those that are `asked` for, a JSON object of names and versions, which goes to `due` as what is answered; of
    all of them where it makes no sense."""
    names = _read(asked) or {one.name for one in pulled}
    updates: dict[Any, Any] = {due: asked}
    for one in pulled:
        if one.name not in names:
            continue
        try:
            updates |= one.updates()
        except Exception:
            logger.exception("The %s can't be shown.", one.name.replace("-", " "))
            updates[one.outputs[0]] = gr.update()
    return updates
