"""Half a cosine up to half of the run, half a cosine down to the end."""

from __future__ import annotations

from training_pro.training.schedules.shape import Shape, half_cosine_down

NAME = "FP_raise_fall_creative"
TAKES_WARMUP = False
HELP = "Rises along a cosine to the middle of the run, then falls. Takes no warmup."


def multiplier(step: int, shape: Shape) -> float:
    """The share of the learning rate at update `step`, 0 <= step <= T, in [0, 1]."""
    half = shape.total_updates // 2
    if step < half:
        return 1 - half_cosine_down(step, half)
    return half_cosine_down(step - half, shape.total_updates - half)
