"""Warmup, constant through the first epoch, then half a cosine to 0."""

from __future__ import annotations

from training_pro.training.schedules.shape import Shape, fraction, half_cosine_down

NAME = "FP_low_epoch_annealing"
HELP = "Constant for the first epoch, then falls along a cosine. Good for 2 to 4 epochs."


def multiplier(step: int, shape: Shape) -> float:
    """The share of the learning rate at update `step`, 0 <= step <= T, in [0, 1]."""
    epoch = shape.updates_per_epoch
    warmup = min(shape.warmup_steps, epoch)
    if step < warmup:
        return fraction(step, warmup)
    if step < epoch:
        return 1.0
    return half_cosine_down(step - epoch, shape.total_updates - epoch)


def notes(shape: Shape) -> list[str]:
    """What a person should know before the run."""
    found = []
    if shape.total_updates <= shape.updates_per_epoch:
        found.append(f"{NAME} with one epoch has no annealing: the rate stays constant to the end.")
    if shape.warmup_steps > shape.updates_per_epoch:
        found.append(
            f"{NAME} warms up within the first epoch: {shape.updates_per_epoch} updates, not {shape.warmup_steps}."
        )
    return found
