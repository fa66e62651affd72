"""The picture of a run: loss and learning rate over the epochs, as ``training_graph.png``.

Drawn once, at the end, in about half a second. matplotlib is imported here alone and only when drawing:
a host may lack it. pyplot and the global settings are not touched, so a host's own plots stay as they are.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training_pro.record.history import Event, HistoryData
from training_pro.record.points import Points, thin
from training_pro.record.series import series_of
from training_pro.record.whole_files import write_whole

GRAPH_IMAGE = "training_graph.png"
_SIZE_PX = (1200, 700)
_DPI = 100
_MOST_POINTS = 2400  # two to each column of pixels: more can't be seen
_MOST_MARKS = 200
_INK, _FAINT, _GRID = "#24292f", "#57606a", "#e4e7eb"
_LOSS, _RATE, _EVAL, _CHECKPOINT = "#1f6feb", "#c9741f", "#1a7f37", "#8250df"
_SERIES = ("#bf3989", "#0a7d91", "#6e7781")


def draw_graph(data: HistoryData, path: Path, title: str, total_epochs: float) -> str:
    """Draw `data` to a PNG of 1200 x 700 at `path`.

    Gives back why there is no picture, as one sentence, or "" when it was drawn.

    Raises:
        RunError: the file couldn't be written.
    """
    try:
        image = _png(data, title, total_epochs)
    except ImportError:
        return "The graph was not drawn because matplotlib is missing; install it with: pip install matplotlib"
    write_whole(path, image)
    return ""


def _png(data: HistoryData, title: str, total_epochs: float) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE_PX[0] / _DPI, _SIZE_PX[1] / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    trained = _trained(data.points)
    losses = figure.add_axes((0.08, 0.155, 0.835, 0.715), facecolor="white")
    rates = losses.twinx()
    rates.set_zorder(1)
    losses.set_zorder(2)  # losses are drawn over the rate, on a ground that lets it through
    losses.patch.set_visible(False)
    _draw_curves(losses, rates, thin(trained, _MOST_POINTS))
    _draw_evaluations(losses, data.points.evaluated())
    _draw_series(losses, data.events, trained)
    _draw_parts(losses, data.events, trained)
    _draw_checkpoints(losses, data.events, trained)
    _dress(losses, rates)
    losses.set_xlim(0.0, _last_epoch(trained, total_epochs))
    _write_texts(figure, title, _summary(trained, data.points.evaluated(), total_epochs))
    lines = [line for line in (*losses.get_lines(), *rates.get_lines()) if not str(line.get_label()).startswith("_")]
    figure.legend(handles=lines, loc="lower center", ncols=len(lines), frameon=False, fontsize=11, labelcolor=_INK)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    return buffer.getvalue()


def _trained(points: Points) -> Points:
    """The real updates; an evaluation before the first one is update 0."""
    return points.at(np.flatnonzero((points.column("update") > 0) & np.isfinite(points.column("epoch"))))


def _draw_curves(losses: Any, rates: Any, shown: Points) -> None:
    """Loss, smoothed loss and learning rate; what is not finite is a gap."""
    epochs, marker = shown.column("epoch"), "o" if len(shown) == 1 else ""
    losses.plot(epochs, shown.column("loss"), color=_LOSS, alpha=0.3, linewidth=0.9, marker=marker, label="Loss")
    losses.plot(epochs, shown.column("smoothed_loss"), color=_LOSS, linewidth=2.2, label="Loss, smoothed")
    rate = shown.column("learning_rate")
    rates.plot(epochs, rate, color=_RATE, linewidth=1.5, linestyle="--", marker=marker, label="Learning rate")
    rates.set_ylim(0.0, 1.08 * max(rate[np.isfinite(rate)], default=0.0) or 1.0)


def _draw_evaluations(axes: Any, evaluated: Points) -> None:
    shown = thin(evaluated, _MOST_POINTS, by="eval_loss")
    if not shown:
        return
    style = {"marker": "o", "markersize": 6.5, "markeredgecolor": "white"} if len(shown) <= _MOST_MARKS else {}
    epochs = np.nan_to_num(shown.column("epoch"))
    axes.plot(epochs, shown.column("eval_loss"), color=_EVAL, linewidth=1.6, label="Evaluation loss", **style)


def _draw_series(axes: Any, events: Sequence[Event], trained: Points) -> None:
    """What was measured beside the loss, such as the loss on a general text."""
    if not len(trained):
        return
    for place, (name, measured) in enumerate(series_of(events).items()):
        updates, values = zip(*measured, strict=True)
        color = _SERIES[place % len(_SERIES)]
        style = {"marker": "s", "markersize": 5, "markeredgecolor": "white"} if len(measured) <= _MOST_MARKS else {}
        axes.plot(_epochs(updates, trained), values, color=color, linewidth=1.4, label=name, **style)


def _draw_parts(axes: Any, events: Sequence[Event], trained: Points) -> None:
    """A line where a run that was trained further began again."""
    begun = sorted({event.update for event in events if event.kind == "part"})
    if begun and len(trained):
        for place, epoch in enumerate(_epochs(begun, trained)):
            label = "_again" if place else "Trained further"  # a name with an underscore stays out of the legend
            axes.axvline(epoch, color=_FAINT, linewidth=1.1, linestyle=":", label=label)


def _epochs(updates: Sequence[int], trained: Points) -> Any:
    """The epochs at these updates; update 0 is epoch 0."""
    known = np.concatenate(([0.0], trained.column("update"))), np.concatenate(([0.0], trained.column("epoch")))
    return np.interp(updates, *known)


def _draw_checkpoints(axes: Any, events: Sequence[Event], trained: Points) -> None:
    updates = [event.update for event in events if event.kind == "checkpoint"]
    if not updates or not len(trained):
        return
    updates = updates[:: math.ceil(len(updates) / _MOST_MARKS)]
    epochs = np.interp(updates, trained.column("update"), trained.column("epoch"))
    foot = axes.get_xaxis_transform()  # x in epochs, y in shares of the height
    style = {"color": _CHECKPOINT, "linestyle": "", "marker": "^", "markersize": 8, "markeredgecolor": "white"}
    axes.plot(epochs, np.full(len(epochs), 0.014), transform=foot, label="Checkpoint", clip_on=False, **style)


def _dress(losses: Any, rates: Any) -> None:
    losses.set_xlabel("Epoch", color=_INK, fontsize=12, labelpad=7)
    losses.set_ylabel("Loss", color=_LOSS, fontsize=12)
    losses.yaxis.set_label_coords(-0.062, 0.5)
    rates.set_ylabel("Learning rate", color=_RATE, fontsize=12)
    rates.yaxis.set_label_coords(1.069, 0.5)
    losses.grid(True, color=_GRID, linewidth=0.9)
    losses.set_axisbelow(True)
    for axes, color in ((losses, _LOSS), (rates, _RATE)):
        axes.tick_params(axis="y", colors=color, labelsize=11, length=0, pad=6)
        axes.tick_params(axis="x", colors=_FAINT, labelsize=11, length=4)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(_FAINT)
    losses.margins(y=0.06)
    losses.ticklabel_format(axis="y", useOffset=False)
    rates.yaxis.set_major_formatter("{x:g}")


def _write_texts(figure: Any, title: str, summary: str) -> None:
    shown = title if len(title) <= 80 else title[:79] + "…"
    figure.text(0.08, 0.943, shown, fontsize=17, fontweight="bold", color=_INK, parse_math=False)
    figure.text(0.08, 0.902, summary, fontsize=11.5, color=_FAINT, parse_math=False)
    if summary == _NOTHING:
        figure.text(0.5, 0.5, _NOTHING, fontsize=15, color=_FAINT, ha="center")


_NOTHING = "No update was made."


def _summary(trained: Points, evaluated: Points, total_epochs: float) -> str:
    """The line under the title: how far the run came, and its losses."""
    if not len(trained):
        return _NOTHING
    reached = f"{trained[-1].epoch:.4g}"
    planned = (
        f" of {total_epochs:.4g}" if math.isfinite(total_epochs) and total_epochs > trained[-1].epoch + 0.005 else ""
    )
    updates = trained[-1].update
    parts = [f"{updates:,} update{'s' if updates > 1 else ''}", f"{reached}{planned} epochs"]
    smoothed = trained.column("smoothed_loss")
    known = smoothed[np.isfinite(smoothed)]
    if len(known):
        parts.append(f"loss {known[0]:.3f} to {known[-1]:.3f}")
    measured = evaluated.column("eval_loss")
    measured = measured[np.isfinite(measured)]
    if len(measured):
        parts.append(f"best evaluation {measured.min():.3f}")
    unknown = int((~np.isfinite(trained.column("loss"))).sum())
    if unknown:
        parts.append(f"{unknown:,} without a loss that is a number")
    return "  ·  ".join(parts)


def _last_epoch(trained: Points, total_epochs: float) -> float:
    """Where the axis ends: the planned end, unless the run stopped before half of it."""
    reached = trained[-1].epoch if len(trained) else 0.0
    planned = total_epochs if math.isfinite(total_epochs) and 0.0 < total_epochs <= 2 * reached else 0.0
    return max(reached, planned) or 1.0
