"""The numbers a schedule may look at. Pure; standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """One run in updates: T in all, E of one epoch, W of warmup."""

    total_updates: int
    updates_per_epoch: int
    warmup_steps: int


def fraction(part: float, whole: float) -> float:
    """part / whole with a divisor of at least 1."""
    return part / max(whole, 1)


def half_cosine_down(part: float, whole: float) -> float:
    """1 at part 0, 0 at part == whole, along half a cosine."""
    return (1 + math.cos(math.pi * min(fraction(part, whole), 1.0))) / 2
