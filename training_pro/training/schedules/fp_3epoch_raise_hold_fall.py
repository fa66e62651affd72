"""A quarter sine up in the first epoch, constant in the second, a quarter cosine down to the end."""

from __future__ import annotations

import math

from training_pro.training.schedules.shape import Shape, fraction

NAME = "FP_3epoch_raise_hold_fall"
TAKES_WARMUP = False
HELP = "Rises for one epoch, holds for one, falls over the rest. Wants 3 epochs. Takes no warmup."


def multiplier(step: int, shape: Shape) -> float:
    """The share of the learning rate at update `step`, 0 <= step <= T, in [0, 1]."""
    epoch = shape.updates_per_epoch
    if step < epoch:
        return math.sin(math.pi / 2 * fraction(step, epoch))
    if step < 2 * epoch:
        return 1.0
    falling = min(fraction(step - 2 * epoch, shape.total_updates - 2 * epoch), 1.0)
    return max(0.0, math.cos(math.pi / 2 * falling))


def notes(shape: Shape) -> list[str]:
    """What a person should know before the run."""
    found = []
    if shape.total_updates <= shape.updates_per_epoch:
        found.append(f"{NAME} with one epoch only rises: hold and fall are missing. Set 3 epochs.")
    elif shape.total_updates <= 2 * shape.updates_per_epoch:
        found.append(f"{NAME} with two epochs rises and holds: the fall is missing. Set 3 epochs.")
    elif shape.total_updates < 3 * shape.updates_per_epoch:
        found.append(f"{NAME} under 3 epochs has a shortened fall.")
    return found
