"""Charts as plain HTML and SVG: drawn on the server, readable at any width and in any theme, no script.

The curves are stretched to the space there is; words and marks stand above them as HTML, so that they keep their
size on a phone. Values show where the pointer (or a finger) is, by CSS alone. Some 5 ms and 40 kB for a
curve of any length, because only `MOST_POINTS` of it are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from training_pro.ui.views.axis import Axis, Floats, tick_text
from training_pro.ui.views.markup import text

MOST_POINTS = 400
MOST_TIPS = 120
_SIDE = 1000  # the drawing's own units


@dataclass(frozen=True)
class Curve:
    """`style` names its colour in the style sheet. `x` and `y` are float64 [points]; NaN leaves a gap."""

    label: str
    style: str
    x: Floats
    y: Floats
    axis: Axis
    dots: bool = False


@dataclass(frozen=True)
class Mark:
    """Something that happened at `x`; at height `y` of `axis`, or on the ground line."""

    x: float
    title: str
    y: float = math.nan


@dataclass(frozen=True)
class Tip:
    """What is shown where the pointer is nearest to `x`: lines of (style, name, value)."""

    x: float
    head: str
    lines: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Chart:
    """One picture. `levels` are horizontal lines on the left axis: (value, what it is)."""

    x: Axis
    left: Axis
    curves: Sequence[Curve]
    right: Axis | None = None
    marks: Sequence[Mark] = ()
    tips: Sequence[Tip] = ()
    levels: Sequence[tuple[float, str]] = ()
    x_name: str = "update"
    right_name: str = ""
    left_name: str = ""
    verticals: Sequence[float] = field(default_factory=tuple)


def draw(chart: Chart) -> str:
    """The chart as HTML."""
    inside = [
        _svg(chart),
        *(_label("y", "top", 1 - chart.left.share(value), tick_text(value)) for value in chart.left.ticks()),
        *(_label("x", "left", chart.x.share(value), tick_text(value)) for value in _whole_ticks(chart.x)),
        *(_level(chart.left, value, title) for value, title in chart.levels),
        *(_mark(chart, mark) for mark in chart.marks),
        *_dots(chart),
        _tips(chart),
    ]
    if chart.right is not None:
        inside += [_label("y2", "top", 1 - chart.right.share(v), tick_text(v)) for v in chart.right.ticks()]
    names = f'<div class="tp-axes"><span>{text(chart.left_name)}</span><span>{text(chart.right_name)}</span></div>'
    plot = f'<div class="tp-plot">{"".join(inside)}</div><div class="tp-xname">{text(chart.x_name)}</div>'
    return f'<div class="tp-chart">{_legend(chart)}{names}{plot}</div>'


def sparkline(values: Sequence[float]) -> str:
    """A small curve without words; "" for fewer than two numbers."""
    y = np.array(values, dtype=float)
    if np.isfinite(y).sum() < 2:
        return ""
    low, high = float(np.nanmin(y)), float(np.nanmax(y))
    x = np.linspace(0, _SIDE, len(y))
    path = _path(x, _SIDE - (y - low) / ((high - low) or 1.0) * _SIDE)
    return f'<span class="tp-spark"><svg {_VIEW}><path class="tp-line tp-loss" d="{path}"/></svg></span>'


_VIEW = f'viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" aria-hidden="true"'


def _svg(chart: Chart) -> str:
    grid = "".join(
        f"M0 {_SIDE * (1 - chart.left.share(value)):.0f}H{_SIDE}"
        for value in chart.left.ticks()
        if 0 <= chart.left.share(value) <= 1
    )
    uprights = "".join(f"M{_SIDE * chart.x.share(value):.0f} 0V{_SIDE}" for value in chart.verticals)
    lines = "".join(
        f'<path class="tp-line tp-{curve.style}" d="{_curve_path(chart.x, curve)}"/>' for curve in chart.curves
    )
    return f'<svg {_VIEW}><path class="tp-grid" d="{grid}"/><path class="tp-epochs" d="{uprights}"/>{lines}</svg>'


def _curve_path(x_axis: Axis, curve: Curve) -> str:
    return _path(x_axis.shares(curve.x) * _SIDE, (1 - curve.axis.shares(curve.y)) * _SIDE)


def _path(x: Floats, y: Floats) -> str:
    """Straight lines through the points; a gap where one has no finite place."""
    drawn = np.isfinite(x) & np.isfinite(y)
    begins = drawn & ~np.concatenate(([False], drawn[:-1]))
    pieces = zip(begins[drawn].tolist(), x[drawn].tolist(), y[drawn].tolist(), strict=True)
    return "".join(f"{'M' if begin else 'L'}{left:.1f} {top:.1f}" for begin, left, top in pieces)


def _whole_ticks(axis: Axis) -> list[float]:
    return [value for value in axis.ticks() if value == int(value)]


def _label(kind: str, side: str, share: float, words: str) -> str:
    if not -0.001 <= share <= 1.001:
        return ""
    return f'<span class="tp-{kind}" style="{side}:{100 * share:.1f}%">{text(words)}</span>'


def _level(axis: Axis, value: float, title: str) -> str:
    share = axis.share(value)
    if not 0 <= share <= 1:
        return ""
    return f'<div class="tp-level" style="top:{100 * (1 - share):.1f}%"><span>{text(title)}</span></div>'


def _mark(chart: Chart, mark: Mark) -> str:
    left, height = chart.x.share(mark.x), chart.left.share(mark.y) if not math.isnan(mark.y) else 0.0
    height = min(max(height, 0.0), 1.0) if math.isfinite(height) else 0.0
    return (
        f'<i class="tp-mark" style="left:{100 * left:.1f}%;top:{100 * (1 - height):.1f}%" '
        f'title="{text(mark.title)}"></i>'
    )


def _dots(chart: Chart) -> list[str]:
    dots = []
    for curve in (curve for curve in chart.curves if curve.dots):
        places = zip(chart.x.shares(curve.x).tolist(), curve.axis.shares(curve.y).tolist(), strict=True)
        dots += [
            f'<i class="tp-dot tp-{curve.style}" style="left:{100 * left:.1f}%;top:{100 * (1 - up):.1f}%"></i>'
            for left, up in places
            if math.isfinite(left) and math.isfinite(up)
        ]
    return dots


def _tips(chart: Chart) -> str:
    """Upright strips, each with its values, shown by the style sheet while the pointer is on it."""
    places = [chart.x.share(tip.x) for tip in chart.tips]
    borders = [0.0, *((a + b) / 2 for a, b in zip(places, places[1:], strict=False)), 1.0]
    strips = []
    for tip, place, start, end in zip(chart.tips, places, borders, borders[1:], strict=False):
        width = max(end - start, 1e-6)
        lines = "".join(
            f'<span><b class="tp-{style}"></b>{text(name)} <em>{text(value)}</em></span>'
            for style, name, value in tip.lines
        )
        side = " tp-left" if place > 0.6 else ""
        strips.append(
            f'<div class="tp-hit" style="left:{100 * start:.2f}%;width:{100 * width:.2f}%">'
            f'<u style="left:{100 * (place - start) / width:.0f}%"></u>'
            f'<div class="tp-tip{side}"><strong>{text(tip.head)}</strong>{lines}</div></div>'
        )
    return f'<div class="tp-hits">{"".join(strips)}</div>'


def _legend(chart: Chart) -> str:
    entries = dict.fromkeys((curve.style, curve.label) for curve in chart.curves if curve.label)
    named = "".join(f'<span><b class="tp-{style}"></b>{text(label)}</span>' for style, label in entries)
    mark = '<span><i class="tp-mark"></i>checkpoint</span>' if chart.marks else ""
    return f'<div class="tp-legend">{named}{mark}</div>'
