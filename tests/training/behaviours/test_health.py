"""A run that goes wrong is told so while it trains; healthy ones, however hard their data, are not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.behaviours.moments import Moments
from training_pro.training.behaviours.health import Health

Losses = Callable[[np.random.Generator, int], float]


def made(folder: Path, updates: int) -> tuple[Moments, list[str]]:
    said: list[str] = []
    return Moments(folder, updates=updates).with_these(Health(said.append)), said


def told(folder: Path, losses: Losses, seed: int = 0, updates: int = 200, norms: Losses | None = None) -> list[str]:
    moments, said = made(folder, updates)
    draw = np.random.default_rng(seed)
    for update in range(updates):
        moments.last_grad_norm = norms(draw, update) if norms else 1.0
        moments.train(losses(draw, update))
    return said


def falling(draw: np.random.Generator, update: int) -> float:
    return float(3 * math.exp(-update / 100) * draw.lognormal(0, 0.4))


def flat_and_high(draw: np.random.Generator, update: int) -> float:
    return float(6.0 + draw.normal(0, 0.8))


def easy_and_hard(hard: float) -> Losses:
    return lambda draw, update: float((2.2 if draw.random() < hard else 0.1) * draw.lognormal(0, 0.2))


HEALTHY = {
    "falling": falling,
    "flat and high": flat_and_high,
    **{f"{round(share * 100)} % hard": easy_and_hard(share) for share in (0.1, 0.3, 0.5, 0.7)},
}


def test_of_240_healthy_runs_one_is_accused_at_most(tmp_path: Path) -> None:
    accused = [
        (name, updates, seed)
        for name, losses in HEALTHY.items()
        for updates in (24, 60, 200, 600)
        for seed in range(10)
        if told(tmp_path, losses, seed, updates)
    ]
    assert len(accused) <= 1, accused


@pytest.mark.parametrize("updates", [24, 200])
@pytest.mark.parametrize("end", [4.0, 9.0])
def test_a_loss_that_rises_far_above_its_start_is_told_once(tmp_path: Path, updates: int, end: float) -> None:
    def rising(draw: np.random.Generator, update: int) -> float:
        return float(2.0 + (end - 2.0) * min(1.0, 2 * update / updates) + draw.normal(0, 0.2))

    (said,) = told(tmp_path, rising, updates=updates)
    assert "Learning Rate" in said and "at the start" in said


def test_a_loss_that_leaps_at_once_is_told_before_the_run_is_a_quarter_through(tmp_path: Path) -> None:
    """A rate of 1: the weights are destroyed by the first steps."""
    moments, said = made(tmp_path, 400)
    moments.train(2.4)
    moments.train(2.6)
    moments.train(2.5)
    for _ in range(12):
        moments.train(9.0)
    assert len(said) == 1 and moments.update < 100


def test_a_gradient_norm_out_of_bounds_is_told_and_a_slow_growth_is_not(tmp_path: Path) -> None:
    assert told(tmp_path, falling, norms=lambda draw, update: 0.3 + update * 0.05) == []
    (said,) = told(tmp_path, falling, norms=lambda draw, update: 0.5 if update < 100 else 400.0)
    assert "400" in said


def test_a_continued_run_remembers(tmp_path: Path) -> None:
    one, _ = made(tmp_path, 200)
    for _ in range(30):
        one.train(2.0)
    other, said = made(tmp_path, 200)
    other.behaviours.restore({"Health": one.behaviours.state()["Health"]})
    other.begin(30)
    for _ in range(40):
        other.train(4.0)
    assert len(said) == 1
