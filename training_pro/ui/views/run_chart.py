"""The chart of a run: losses on the left, one chosen measure on the right, checkpoints, the stop loss.

Its cost does not grow with the run: a few milliseconds for 100,000 updates, of which 400 are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training_pro.record.history import Event
from training_pro.record.points import Point, Points, thin
from training_pro.record.series import series_of
from training_pro.ui.views.axis import Axis, Floats, axis_for
from training_pro.ui.views.chart import MOST_POINTS, MOST_TIPS, Chart, Curve, Mark, Tip, draw
from training_pro.ui.views.markup import megabytes, number

Measure = Literal["learning_rate", "grad_norm", "tokens_per_s", "memory_mb", ""]
MEASURES: dict[Measure, str] = {
    "learning_rate": "Learning rate",
    "grad_norm": "Gradient norm",
    "tokens_per_s": "Tokens/s",
    "memory_mb": "Memory (MB)",
    "": "Nothing",
}
_SERIES = ("forget", "third", "fourth")
_STYLES: dict[Measure, str] = {
    "learning_rate": "rate",
    "grad_norm": "norm",
    "tokens_per_s": "speed",
    "memory_mb": "memory",
}


@dataclass(frozen=True)
class ChartView:
    """How it is to be shown. `smoothing`: the mean of so many updates; 0: as the run smooths."""

    measure: Measure = "learning_rate"
    log: bool = False
    smoothing: int = 0


def run_chart(points: Points, events: Sequence[Event], view: ChartView = ChartView(), stop_at_loss: float = 0.0) -> str:
    """The chart of all updates so far; a sentence while there is none."""
    if not len(points):
        return '<p class="tp-none">The chart begins with the first update.</p>'
    shown = _shown(points)
    x, raw = shown.column("update"), shown.column("loss")
    smooth = smoothed(points, shown, view.smoothing)
    evaluated = points.evaluated()
    evaluations = few(evaluated)
    measured = {name: np.array(found, dtype=float).T for name, found in series_of(events).items()}
    left = axis_for(
        [raw, smooth, evaluations.column("eval_loss"), *(losses for _, losses in measured.values())], view.log
    )
    x_axis = Axis(float(min(0.0, x[0])), max(float(x[-1]), float(x[0]) + 1))
    curves = [
        Curve("loss", "raw", x, raw, left),
        Curve("smoothed", "loss", x, smooth, left),
    ]
    if len(evaluations):
        held_out = evaluations.column("eval_loss")
        curves.append(Curve("evaluation", "eval", evaluations.column("update"), held_out, left, dots=True))
    for place, (name, (at, losses)) in enumerate(measured.items()):
        curves.append(Curve(name, _SERIES[place % len(_SERIES)], at, losses, left, dots=True))
    right = _right_axis(shown, view.measure)
    if right is not None:
        curves.append(Curve(MEASURES[view.measure], _STYLES[view.measure], x, shown.column(view.measure), right))
    return draw(
        Chart(
            x=x_axis,
            left=left,
            right=right,
            curves=curves,
            marks=_marks(events, x, smooth),
            tips=_tips(shown, smooth),
            levels=[(stop_at_loss, f"stop at {stop_at_loss:g}")] if stop_at_loss > 0 else [],
            left_name="loss",
            right_name=MEASURES[view.measure] if right is not None else "",
        )
    )


def moving_mean(values: Floats, window: int) -> Floats:
    """The mean of the last `window` finite numbers up to each place (fewer at the start), float64 [updates]."""
    finite = np.isfinite(values)
    sums = np.concatenate(([0.0], np.cumsum(np.where(finite, values, 0.0))))
    counts = np.concatenate(([0], np.cumsum(finite)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - max(window, 1), 0)
    seen = counts[ends] - counts[starts]
    return np.asarray(np.where(seen > 0, (sums[ends] - sums[starts]) / np.maximum(seen, 1), np.nan))


def _shown(points: Points) -> Points:
    """At most `MOST_POINTS` of them, no spike lost."""
    if len(points) <= MOST_POINTS:
        return points
    kept = np.array([point.update for point in thin(points, MOST_POINTS)], dtype=float)
    return points.at(np.searchsorted(points.column("update"), kept))


def few(points: Points) -> Points:
    """At most `MOST_TIPS` of them, evenly chosen."""
    if len(points) <= MOST_TIPS:
        return points
    return points.at(np.linspace(0, len(points) - 1, MOST_TIPS).round().astype(np.intp))


def smoothed(points: Points, shown: Points, window: int) -> Floats:
    """The smoothed loss of the updates `shown`, which are some of `points`; as the run smooths for a window of 0."""
    if window <= 0:
        return shown.column("smoothed_loss")
    everywhere = moving_mean(points.column("loss"), window)
    return np.asarray(everywhere[np.searchsorted(points.column("update"), shown.column("update"))])


def _right_axis(shown: Points, measure: Measure) -> Axis | None:
    if not measure or not np.isfinite(shown.column(measure)).any():
        return None
    return axis_for([shown.column(measure)], from_zero=True)


def _marks(events: Sequence[Event], x: Floats, smooth: Floats) -> list[Mark]:
    marks = []
    for event in [event for event in events if event.kind == "checkpoint"][-MOST_TIPS:]:
        place = min(int(np.searchsorted(x, event.update)), len(x) - 1)
        marks.append(Mark(event.update, f"checkpoint-{event.update}: {event.text}", float(smooth[place])))
    return marks


def _tips(shown: Points, smooth: Floats) -> list[Tip]:
    stride = math.ceil(len(shown) / MOST_TIPS)
    return [_tip(shown[place], float(smooth[place])) for place in range(len(shown) - 1, -1, -stride)][::-1]


def _tip(point: Point, smooth: float) -> Tip:
    lines = [("raw", "loss", number(point.loss)), ("loss", "smoothed", number(smooth))]
    if point.eval_loss is not None:
        lines.append(("eval", "evaluation", number(point.eval_loss)))
    lines += [
        ("rate", "learning rate", number(point.learning_rate)),
        ("norm", "gradient norm", number(point.grad_norm)),
        ("speed", "tokens/s", number(point.tokens_per_s, 0)),
        ("memory", "memory", megabytes(point.memory_mb)),
    ]
    known = tuple(line for line in lines if line[2] != "–")
    return Tip(point.update, f"Update {point.update:,} · epoch {number(point.epoch, 2)}", known)
