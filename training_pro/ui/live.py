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
from typing import Any

import gradio as gr

from training_pro.errors import explain
from training_pro.ui.handlers import AT_ONCE
from training_pro.ui.markup import box, text
from training_pro.ui.pieces import area
from training_pro.ui.run_chart import ChartView, view_of

logger = logging.getLogger(__name__)

SCRIPT = Path(__file__).resolve().parent.parent / "assets" / "live.js"
LOOK = "training_pro_live"  # the name of the question, part of its address
PACE_S = 1.5
QUIET_PACE_S = 2.5  # while nothing goes
AFTER_A_FAULT_S = 10.0
_MOST_KEPT = 32  # drawn parts; more are there only while people look at the chart in many ways


@dataclass(frozen=True)
class Shown:
    """HTML in the slot `name`. What `stamp` gives stays equal for as long as `draw` would give the same."""

    name: str
    stamp: Callable[[ChartView], Any]
    draw: Callable[[ChartView], str]


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


class Live:
    """Answers the looks of all pages. `pulse` says how the run is, for the notices; `goes`, whether anything does."""

    def __init__(
        self, panels: Sequence[Follows], pulse: Callable[[], dict[str, Any]], goes: Callable[[], bool]
    ) -> None:
        self._panels = panels
        self._pulse = pulse
        self._goes = goes
        self._lock = threading.Lock()
        self._server = secrets.token_hex(4)
        self._count = 0
        self._known: dict[Any, tuple[Any, str, str]] = {}

    def build(self) -> None:
        """The question, its answer, and a button for each of the `pulled`; nobody sees them."""
        self._shown = [shown for panel in self._panels for shown in panel.shown]
        self._pulled = [pulled for panel in self._panels for pulled in panel.pulled]
        self.asked = gr.Textbox(visible=False)
        self.answer = gr.Textbox(visible=False)
        hidden = ["tp-hidden"]
        self.triggers = {
            pulled.name: gr.Button(pulled.name, elem_id=f"tp-pull-{pulled.name}", elem_classes=hidden)
            for pulled in self._pulled
        }

    def connect(self, page: Any) -> None:
        page.load(None, None, None, js=SCRIPT.read_text(encoding="utf-8"))
        self.asked.change(self.look, self.asked, self.answer, **{**AT_ONCE, "api_name": LOOK})
        for pulled in self._pulled:
            self.triggers[pulled.name].click(partial(_updates, pulled), None, list(pulled.outputs), **AT_ONCE)

    def look(self, asked: str) -> str:
        """What a page is to show by now, as JSON.

        Args:
            asked: JSON, {"have": {slot: version}, "view": {"measure", "smoothing", "log"}}; what is missing or makes
                no sense is as if the page had nothing.
        """
        have, view = _read(asked)
        faults: list[str] = []
        with self._lock:
            slots = {shown.name: self._drawn(shown, view, faults) for shown in self._shown}
            pulled = {one.name: self._stamped(one, faults) for one in self._pulled}
        answer = {
            "pace_ms": round(1000 * (AFTER_A_FAULT_S if faults else PACE_S if self._goes() else QUIET_PACE_S)),
            "pulse": self._pulse(),
            "slots": {name: drawn for name, drawn in slots.items() if have.get(name) != drawn[0]},
            "pulled": pulled,
        }
        return json.dumps(answer)

    def _drawn(self, shown: Shown, view: ChartView, faults: list[str]) -> tuple[str, str]:
        """Its version and HTML; drawn once for all pages that see the same. A fault is told in its place."""
        try:
            return self._version((shown.name, view), shown.stamp(view), lambda: shown.draw(view))
        except Exception as error:  # noqa: BLE001 - looking must outlive a fault in what is looked at
            faults.append(explain(error, f"showing the {shown.name.replace('-', ' ')}"))
            return self._version((shown.name, view), faults[-1], lambda: box("error", faults[-1]))

    def _stamped(self, pulled: Pulled, faults: list[str]) -> str:
        """Its version."""
        try:
            return self._version(pulled.name, pulled.stamp(), str)[0]
        except Exception as error:  # noqa: BLE001 - as above
            faults.append(explain(error, f"looking at the {pulled.name.replace('-', ' ')}"))
            return self._version(pulled.name, faults[-1], str)[0]

    def _version(self, name: Any, stamp: Any, draw: Callable[[], str]) -> tuple[str, str]:
        known = self._known.pop(name, None)
        if known is None or known[0] != stamp:
            self._count += 1
            known = (stamp, f"{self._server}-{self._count}", draw())
        self._known[name] = known
        while len(self._known) > _MOST_KEPT + len(self._pulled):
            del self._known[next(iter(self._known))]
        return known[1], known[2]


def _read(asked: Any) -> tuple[dict[str, Any], ChartView]:
    try:
        question = json.loads(asked)
    except (TypeError, ValueError, RecursionError):
        question = None
    question = question if isinstance(question, dict) else {}
    have, view = question.get("have"), question.get("view")
    view = view if isinstance(view, dict) else {}
    return have if isinstance(have, dict) else {}, view_of(view.get("measure"), view.get("log"), view.get("smoothing"))


def _updates(pulled: Pulled) -> dict[Any, Any]:
    try:
        return pulled.updates()
    except Exception:
        logger.exception("The %s can't be shown.", pulled.name)
        return {pulled.outputs[0]: gr.update()}
