"""The numbers of the live chart, as the page's script (``assets/chart.js``) asks for them: all once, then what is new.

The first look at a run of any length costs at most `MOST_POINTS` points in some 11 kB; a further one the points that
have come since. The server keeps nothing of a page: it says which points it has.
"""

from __future__ import annotations

import base64
import math
import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from training_pro.record.history import Event
from training_pro.record.points import Points, thin
from training_pro.session import Session
from training_pro.training.run import Run
from training_pro.ui.views.axis import Floats
from training_pro.ui.views.chart import MOST_TIPS
from training_pro.ui.views.run_chart import few, smoothed

MOST_POINTS = 400
_MEASURES = ("learning_rate", "grad_norm", "tokens_per_s", "memory_mb")


class LiveChart:
    """Answers what is new on the chart of the session's run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._run: Run | None = None
        self._name = ""

    def news(self, have: Mapping[str, Any], smoothing: int) -> dict[str, Any] | None:
        """What a page that has `have` doesn't show yet; None where that is nothing.

        `have` is what the script says: `key` of what it shows, its last `update`, last `evaluation` (their updates),
        how many `marks`, the `stop` loss. `smoothing`: the mean of so many updates; 0: as the run smooths.
        """
        run = self._session.run
        if run is None or run.history is None:
            return {"key": ""} if have.get("key") else None
        data = run.history.data()
        key = f"{self._name_of(run)}-{smoothing}"
        last = _count(have.get("update"))
        marks = [event for event in data.events if event.kind == "checkpoint"]
        whole = have.get("key") != key or _is_cut(data.points, last)
        points = data.points if whole else after(data.points, last)
        since = -1 if whole else have.get("evaluation")
        evaluated = after(data.points.evaluated(), since if isinstance(since, int) else -1)
        shown = marks[-MOST_TIPS:] if whole else marks[_count(have.get("marks")) :]
        stop = run.controls.values.stop_at_loss
        if not whole and not len(points) and not len(evaluated) and not shown and have.get("stop") == stop:
            return None
        return {
            "key": key,
            "whole": whole,
            "stop": stop,
            **_numbers(data.points, points, smoothing),
            "evaluations": _pairs(few(evaluated)),
            "marks": [_mark(event) for event in shown],
        }

    def _name_of(self, run: Run) -> str:
        """Another for each run, also for one of the same folder."""
        if run is not self._run:
            self._run, self._name = run, secrets.token_hex(4)
        return self._name


def after(points: Points, update: int) -> Points:
    """Those of later updates than `update`."""
    return points[int(np.searchsorted(points.column("update"), update, side="right")) :]


def packed(values: Floats) -> str | None:
    """float32 numbers without their lowest byte, which the script reads: 4 characters each, 3 parts in 100,000 exact.

    None where there is no number at all.
    """
    if np.isnan(values).all():
        return None
    raw = np.ascontiguousarray(values * (1 + 2.0**-16), dtype="<f4").view(np.uint8).reshape(-1, 4)
    return base64.b64encode(raw[:, 1:].tobytes()).decode("ascii")


def _numbers(every: Points, wanted: Points, smoothing: int) -> dict[str, Any]:
    shown = thin(wanted, MOST_POINTS)
    updates = shown.column("update").astype(int)
    columns = {"loss": shown.column("loss"), "smoothed": smoothed(every, shown, smoothing)}
    columns |= {name: shown.column(name) for name in _MEASURES}
    last = every[-1] if len(every) else None
    known = last is not None and last.update > 0 and math.isfinite(last.epoch)
    return {
        "updates": np.diff(updates, prepend=0).tolist(),
        "columns": {name: packed(values) for name, values in columns.items()},
        "epochs": last.epoch / last.update if last is not None and known else 0.0,  # each update is so much of one
    }


def _pairs(evaluated: Points) -> list[list[float | None]]:
    losses = evaluated.column("eval_loss").tolist()
    updates = evaluated.column("update").astype(int).tolist()
    return [
        [at, float(f"{loss:.5g}") if math.isfinite(loss) else None] for at, loss in zip(updates, losses, strict=True)
    ]


def _mark(event: Event) -> list[Any]:
    return [event.update, event.text]


def _is_cut(points: Points, last: int) -> bool:
    """Whether the page has more than there is: the run was continued from an earlier update."""
    return last > 0 and (not len(points) or points[-1].update < last)


def _count(given: Any) -> int:
    return given if isinstance(given, int) and given >= 0 else 0
