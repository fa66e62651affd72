"""Warmup, constant through the first epoch, then halved at each epoch."""

from __future__ import annotations

from training_pro.training.schedules.shape import Shape, fraction

NAME = "FP_step_decay_with_warmup"
HELP = "Constant for the first epoch, then half as much in each further one."


def multiplier(step: int, shape: Shape) -> float:
    """The share of the learning rate at update `step`, 0 <= step <= T, in [0, 1]."""
    epoch = max(shape.updates_per_epoch, 1)
    warmup = min(shape.warmup_steps, epoch)
    if step < warmup:
        return fraction(step, warmup)
    if step < epoch:
        return 1.0
    return 2.0 ** -(step // epoch)


def notes(shape: Shape) -> list[str]:
    """What a person should know before the run."""
    if shape.warmup_steps > shape.updates_per_epoch:
        return [f"{NAME} warms up within the first epoch: {shape.updates_per_epoch} updates, not {shape.warmup_steps}."]
    return []
