"""A run that goes wrong is told so while it trains; healthy ones, however hard their data, are not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.behaviours.moments import Moments
from training_pro.training.behaviours.health import Health
from training_pro.training.status import Diverged

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


# -- asked with the LoRA and without it ----------------------------------------------------------------------------


def judged(
    folder: Path, losses: Losses, worse: Losses, seed: int = 0, updates: int = 200
) -> tuple[Moments, list[str], Health]:
    """A run whose LoRA is worse than none by `worse` nats on the blocks just learned (below 0: better)."""
    said: list[str] = []
    health = Health(said.append)
    moments = Moments(folder, updates=updates).with_these(health)
    draw = np.random.default_rng(seed)

    def judge(loss: float) -> tuple[float, float]:
        excess = worse(draw, moments.update)
        return max(loss, 0.01), max(loss, 0.01) - excess

    moments.judge = judge
    for update in range(updates):
        moments.train(losses(draw, update))
    moments.end()
    return moments, said, health


def better(draw: np.random.Generator, update: int) -> float:
    """A LoRA that learns, and is a little worse on single blocks by chance."""
    return float(-0.3 * min(1.0, update / 50) + draw.normal(0, 0.05))


HARD_BUT_HEALTHY: dict[str, Losses] = {
    **HEALTHY,
    "rising, for the blocks get harder": lambda draw, update: float(1.0 + update / 60 + draw.normal(0, 0.3)),
    "leaps, for a hard file begins": lambda draw, update: float((1.0 if update % 200 < 100 else 4.0) + draw.normal()),
    "very hard": lambda draw, update: float(9.5 + draw.normal(0, 0.5)),
    "spikes": lambda draw, update: float(2.0 + (12.0 if draw.random() < 0.05 else 0.0) + draw.normal(0, 0.2)),
}


def test_of_400_healthy_runs_on_hard_data_none_is_accused(tmp_path: Path) -> None:
    """Whatever the losses do: the LoRA is not worse than none."""
    accused = [
        (name, updates, seed)
        for name, losses in HARD_BUT_HEALTHY.items()
        for updates in (12, 24, 60, 200)
        for seed in range(10)
        if judged(tmp_path, losses, better, seed, updates)[1]
    ]
    assert len(HARD_BUT_HEALTHY) * 40 == 400 and accused == []


@pytest.mark.parametrize("updates", [12, 40, 200])
@pytest.mark.parametrize("destroyed", [4.0, 9.0, 100.0])
def test_a_lora_destroyed_by_its_first_steps_is_accused_within_a_few_updates(
    tmp_path: Path, updates: int, destroyed: float
) -> None:
    """The first loss is that of the model alone; from the second on all is lost."""
    said: list[str] = []
    moments = Moments(tmp_path, updates=updates).with_these(Health(said.append))
    moments.judge = lambda loss: (loss, 2.4)
    for update in range(5):
        moments.train(2.4 if update == 0 else destroyed)
    (sentence,) = said
    assert f"{destroyed:.2f}" in sentence and "2.40" in sentence and "Learning Rate" in sentence


def test_a_lora_that_goes_wrong_late_is_accused_soon_after(tmp_path: Path) -> None:
    _, said, _ = judged(
        tmp_path,
        lambda draw, update: float((2.0 if update < 150 else 3.2) + draw.normal(0, 0.2)),
        lambda draw, update: -0.3 if update < 150 else 1.0,
    )
    assert len(said) == 1 and any(f"update {n}." in said[0] for n in range(150, 175))


def test_a_hopeless_run_is_ended(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="with it and"):
        judged(tmp_path, lambda draw, update: 2.4 if not update else 9.0, lambda draw, update: 6.0)


def test_a_run_that_ends_wrong_has_a_verdict_and_one_that_recovered_has_none(tmp_path: Path) -> None:
    _, said, wrong = judged(tmp_path, lambda draw, update: 3.0, lambda draw, update: 0.8, updates=24)
    assert said and "worse" in wrong.verdict
    _, said, mended = judged(
        tmp_path, lambda draw, update: 3.0, lambda draw, update: 0.8 if update < 12 else -0.1, updates=24
    )
    assert said and mended.verdict == ""


def test_a_healthy_run_is_asked_a_few_times_only(tmp_path: Path) -> None:
    moments, _, _ = judged(tmp_path, flat_and_high, better, updates=2000)
    assert moments.looks <= 15
    moments, _, _ = judged(tmp_path, falling, better, updates=2000)
    assert moments.looks <= 5


def test_an_older_lora_that_is_worse_on_new_data_is_no_fault_of_the_run(tmp_path: Path) -> None:
    said: list[str] = []
    moments = Moments(tmp_path, updates=60).with_these(Health(said.append, fresh=False))
    moments.judge = lambda loss: (loss, 2.0)
    for update in range(60):
        moments.train(3.5 - update / 60)
    moments.end()
    assert said == []
    for _ in range(30):
        moments.train(5.0)
    assert len(said) == 1


def test_all_that_a_resumed_run_must_know_is_carried_on(tmp_path: Path) -> None:
    one, said, _ = judged(tmp_path, flat_and_high, better, updates=60)
    state = json.loads(json.dumps(one.behaviours.state()["Health"], allow_nan=False))
    other = Health(said.append)
    other.restore(state)
    assert other.state() == state
