"""The numbers of the live chart, as the page's script (``assets/chart.js``) asks for them: all once, then what is new.

The first look at a run of any length costs at most `MOST_POINTS` points in some 11 kB; a further one the points that
have come since. The server keeps nothing of a page: it says which points it has. A page that has zoomed in asks for the
points of that part alone, so that a long run shows more the closer one looks.
"""

from __future__ import annotations

import base64
import csv
import io
import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training_pro.record.history import Event, HistoryData
from training_pro.record.points import Point, Points, evenly, thin
from training_pro.record.series import series_of
from training_pro.session import Session
from training_pro.training.run import Run
from training_pro.ui.views.axis import Floats
from training_pro.ui.views.chart import MOST_TIPS
from training_pro.ui.views.run_chart import few, smoothed

MOST_POINTS = 400
EVALUATION = "evaluation"
_MEASURES = ("learning_rate", "grad_norm", "tokens_per_s", "memory_mb")
_ALL = (0, 2**53)
Series = list[list[Any]]  # of [update, loss or None]


class LiveChart:
    """Answers what is new on the chart of the session's run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._run: Run | None = None
        self._name = ""

    def news(self, have: Mapping[str, Any], smoothing: int) -> dict[str, Any] | None:
        """What a page that has `have` doesn't show yet; None where that is nothing.

        `have` is what the script says: `key` of what it shows, its last `update`, the last update of each of its
        `series`, how many `marks`, the `stop` loss, the planned `total` of updates, `zoom` ([first, last update]).
        `smoothing`: the mean of so many updates; 0: as the run smooths.
        """
        run = self._session.run
        if run is None or run.history is None:
            return {"key": ""} if have.get("key") else None
        data, (first, end) = run.history.data(), _zoom(have.get("zoom"))
        key = f"{self._name_of(run)}-{smoothing}-{first}-{end}"
        every, last = _between(data.points, first, end), _count(have.get("update"))
        whole = have.get("key") != key or _is_cut(every, last)
        points = every if whole else after(every, last)
        known = {} if whole else _mapping(have.get("series"))
        marks, had = _marks(data.events), 0 if whole else _count(have.get("marks"))
        news = {
            "key": key,
            "whole": whole,
            "stop": run.controls.values.stop_at_loss,
            "total": run.status.total_updates if run.status.running else 0,
            "last": data.points[-1].update if len(data.points) else 0,
            "series": {name: new for name, new in _series(data, known).items() if new},
            "marks": marks[had:][-MOST_TIPS:],
            "marked": len(marks),
        }
        same = all(have.get(name) == news[name] for name in ("stop", "total"))
        if not whole and not len(points) and not news["series"] and not news["marks"] and same:
            return None
        return {**news, **_numbers(data.points, points, smoothing)}

    def table(self) -> str:
        """Every update of the run and what was measured in it, as CSV; "" without a run. A second for 100,000."""
        run = self._session.run
        return table_of(run.history.data()) if run is not None and run.history is not None else ""

    def _name_of(self, run: Run) -> str:
        """Another for each run, also for one of the same folder."""
        if run is not self._run:
            self._run, self._name = run, secrets.token_hex(4)
        return self._name


def table_of(data: HistoryData) -> str:
    """A line an update, a column a measure; what was not measured is empty."""
    names = ("epoch", "loss", "smoothed_loss", *_MEASURES, "elapsed_s", "eval_loss")
    updates = data.points.column("update").astype(int).tolist()
    columns = [data.points.column(name).tolist() for name in names]
    rows = dict(zip(updates, zip(*columns, strict=True), strict=True))
    series = {name: dict(points) for name, points in series_of(data.events).items()}
    for measured in series.values():  # also between updates: before the first one
        for update in measured:
            rows.setdefault(update, (math.nan,) * len(names))
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(["update", *names, *series])
    for update in sorted(rows):
        cells = (*rows[update], *(measured.get(update, math.nan) for measured in series.values()))
        table.writerow([update, *("" if math.isnan(cell) else f"{cell:.8g}" for cell in cells)])
    return written.getvalue()


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
    return {
        "updates": np.diff(updates, prepend=0).tolist(),
        "columns": {name: packed(values) for name, values in columns.items()},
        "epochs": _epoch_share(every[-1] if len(every) else None),
    }


def _epoch_share(last: Point | None) -> float:
    """How much of an epoch an update is; 0 where that is unknown."""
    if last is None or last.update <= 0 or not math.isfinite(last.epoch):
        return 0.0
    return last.epoch / last.update


def _series(data: HistoryData, known: Mapping[str, Any]) -> dict[str, Series]:
    """The measured losses by name, each after the update that is `known` of it; at most `MOST_TIPS` of each."""
    seen = {name: at for name, at in known.items() if isinstance(at, int)}
    evaluated = few(after(data.points.evaluated(), seen.get(EVALUATION, -1)))
    updates, losses = evaluated.column("update").astype(int).tolist(), evaluated.column("eval_loss").tolist()
    found = {EVALUATION: list(zip(updates, losses, strict=True))}
    for name, points in series_of(data.events).items():
        found[name] = evenly([point for point in points if point[0] > seen.get(name, -1)], MOST_TIPS)
    return {name: [[update, _short(loss)] for update, loss in points] for name, points in found.items()}


def _short(loss: float) -> float | None:
    return float(f"{loss:.5g}") if math.isfinite(loss) else None


def _marks(events: Sequence[Event]) -> list[list[Any]]:
    """[update, kind, words] of each checkpoint, and of each update at which samples were written."""
    marks: list[list[Any]] = []
    sampled = -1
    for event in events:
        if event.kind == "checkpoint":
            marks.append([event.update, event.kind, event.text])
        elif event.kind == "sample" and event.update != sampled:
            sampled = event.update
            marks.append([sampled, event.kind, ""])
    return marks


def _between(points: Points, first: int, end: int) -> Points:
    """The points of these updates, and one more on either side, to which the lines lead."""
    if (first, end) == _ALL:
        return points
    updates = points.column("update")
    low = max(int(np.searchsorted(updates, first)) - 1, 0)
    return points[low : int(np.searchsorted(updates, end, side="right")) + 1]


def _zoom(asked: Any) -> tuple[int, int]:
    """What a page looks at, the whole run where it makes no sense."""
    if not isinstance(asked, list) or len(asked) != 2 or not all(isinstance(one, (int, float)) for one in asked):
        return _ALL
    low, high = asked
    if not (math.isfinite(low) and math.isfinite(high) and 0 <= low < high < _ALL[1]):
        return _ALL
    return int(low), math.ceil(high)


def _is_cut(points: Points, last: int) -> bool:
    """Whether the page has more than there is: the run was continued from an earlier update."""
    return last > 0 and (not len(points) or points[-1].update < last)


def _count(given: Any) -> int:
    return given if isinstance(given, int) and given >= 0 else 0


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}
