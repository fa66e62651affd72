"""Warmup, constant to half of the run, then half a cosine to 0."""

from __future__ import annotations

from training_pro.training.schedules.shape import Shape, fraction, half_cosine_down

NAME = "FP_half_time_annealing"
HELP = "Constant for the first half of the run, then falls along a cosine."


def multiplier(step: int, shape: Shape) -> float:
    """The share of the learning rate at update `step`, 0 <= step <= T, in [0, 1]."""
    half = shape.total_updates // 2
    warmup = min(shape.warmup_steps, half)
    if step < warmup:
        return fraction(step, warmup)
    if step < half:
        return 1.0
    return half_cosine_down(step - half, shape.total_updates - half)


def notes(shape: Shape) -> list[str]:
    """What a person should know before the run."""
    half = shape.total_updates // 2
    if shape.warmup_steps > half:
        return [f"{NAME} warms up within the first half: {half} updates, not {shape.warmup_steps}."]
    return []
