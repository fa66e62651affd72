"""An explosion of the loss ends the run; ordinary noise does not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.training.behaviours.moments import Moments
from training_pro.training.behaviours.stops import WINDOW, Watchdog
from training_pro.training.status import Diverged


def made(folder: Path) -> tuple[Moments, Watchdog]:
    moments = Moments(folder)
    watchdog = Watchdog(moments.meter)
    return moments.with_these(watchdog), watchdog


def test_an_explosion_ends_the_run_and_says_until_when_it_was_good(tmp_path: Path) -> None:
    moments, watchdog = made(tmp_path)
    for _ in range(30):
        moments.train(1.5)
    with pytest.raises(Diverged, match=r"9\.00 over the last 10 updates, after 1\.50"):
        for _ in range(20):
            moments.train(9.0)
    assert 30 <= watchdog.good_until <= 33
    assert moments.update == 40  # ten in a row


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_noise_is_none(tmp_path: Path, seed: int) -> None:
    """Single blocks of very unequal difficulty while the loss falls from 3 to nearly 0."""
    moments, watchdog = made(tmp_path)
    draw = np.random.default_rng(seed)
    for update in range(400):
        moments.train(float(3 * math.exp(-update / 100) * draw.lognormal(0, 0.4)))
    assert watchdog.good_until > 390


@pytest.mark.parametrize("hard", [0.1, 0.3, 0.5, 0.7])
def test_data_of_easy_and_hard_blocks_is_none(tmp_path: Path, hard: float) -> None:
    """Short answers and long ones in one dataset: single losses around 0.1 and around 2.2, with no trend."""
    moments, _ = made(tmp_path)
    draw = np.random.default_rng(round(hard * 10))
    for _ in range(3000):
        moments.train(float((2.2 if draw.random() < hard else 0.1) * draw.lognormal(0, 0.2)))


def test_a_slow_rise_is_one(tmp_path: Path) -> None:
    moments, _ = made(tmp_path)
    draw = np.random.default_rng(0)
    with pytest.raises(Diverged):
        for update in range(400):
            moments.train(float(2.0 + max(0, update - 50) * 0.03 + draw.normal(0, 0.3)))


def test_one_bad_update_is_none(tmp_path: Path) -> None:
    moments, _ = made(tmp_path)
    for loss in [2.0] * 20 + [14.0] + [2.0] * 20:
        moments.train(loss)


def test_a_loss_that_begins_high_is_none(tmp_path: Path) -> None:
    moments, _ = made(tmp_path)
    for update in range(60):
        moments.train(12.0 * 0.9**update)


def test_a_continued_run_remembers(tmp_path: Path) -> None:
    moments, watchdog = made(tmp_path)
    for _ in range(WINDOW + 3):
        moments.train(1.0)
    other, second = made(tmp_path)
    second.restore(watchdog.state())
    other.begin(WINDOW + 3)
    with pytest.raises(Diverged):
        for _ in range(WINDOW):
            other.train(8.0)


def test_the_state_of_a_young_run_is_plain_json(tmp_path: Path) -> None:
    import json

    _, watchdog = made(tmp_path)
    text = json.dumps(watchdog.state(), allow_nan=False)
    watchdog.restore(json.loads(text))
