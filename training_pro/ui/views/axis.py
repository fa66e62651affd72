"""Where numbers lie on a chart's axis, and which of them are written beside it. Pure, costs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`; `shares` of it run from 0 to 1."""

    low: float
    high: float
    log: bool = False

    def shares(self, values: Floats) -> Floats:
        """Where `values` lie, float64 of the same shape; NaN for what can't be shown."""
        if not self.log:
            return np.asarray((values - self.low) / (self.high - self.low))
        positive = np.where(values > 0, values, np.nan)
        return np.asarray(np.log(positive / self.low) / math.log(self.high / self.low))

    def share(self, value: float) -> float:
        """The same for one number."""
        return float(self.shares(np.array([value]))[0])

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers on the axis, some `about` of them."""
        return _log_ticks(self.low, self.high, about) if self.log else _ticks(self.low, self.high, about)


def axis_for(columns: Iterable[Floats], log: bool = False, from_zero: bool = False) -> Axis:
    """An axis on which all finite numbers of `columns` have room."""
    found = [column[np.isfinite(column) & ((column > 0) | (not log))] for column in columns]
    numbers = np.concatenate([*found, np.empty(0)])
    if not len(numbers):
        return Axis(0.1, 1.0, log) if log else Axis(0.0, 1.0)
    low, high = float(numbers.min()), float(numbers.max())
    if log:
        return Axis(low / 1.05, high * 1.05, log=True)
    low = min(low, 0.0) if from_zero else low
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(low if from_zero else low - room, high + room)


def _ticks(low: float, high: float, about: int) -> list[float]:
    raw = (high - low) / max(about, 1)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(count * step, 12) for count in range(first, last + 1)]


def _log_ticks(low: float, high: float, about: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    inside = [value for value in fine if low <= value <= high]
    if len(inside) >= 2:
        return (
            inside if len(inside) <= 2 * about else [10.0**decade for decade in decades if low <= 10.0**decade <= high]
        )
    return _ticks(low, high, about)


def tick_text(value: float) -> str:
    """ "0.25", "12k", "3e-4"."""
    if not value:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    if abs(value) < 1e-3:
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.6g}"
