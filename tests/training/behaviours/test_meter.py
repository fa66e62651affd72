"""Each update's measurements: what is written, smoothed, told."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.training.behaviours.moments import Moments
from tests.training.tiny import small_settings
from training_pro.errors import RunError
from training_pro.record.history import read_history
from training_pro.training.behaviours.steered import LearningRateScale


def test_a_line_per_update_is_on_disk_at_once(tmp_path: Path) -> None:
    moments = Moments(tmp_path)
    moments.begin()
    for loss in (3.0, 2.0):
        moments.train(loss)
        points = read_history(moments.history.path).points
        assert points[-1].loss == loss
    assert [p.update for p in points] == [1, 2]
    assert points[1].epoch == pytest.approx(0.2)
    assert points[1].smoothed_loss == 2.5
    assert points[1].tokens_per_s > 0
    assert points[1].memory_mb > 1


def test_whoever_watches_is_told_the_point_and_the_tokens_so_far(tmp_path: Path) -> None:
    moments = Moments(tmp_path)
    moments.train(3.0)
    moments.train(2.0)
    assert [(p.loss, tokens) for p, tokens in moments.points] == [(3.0, 10), (2.0, 20)]
    assert moments.meter.padded_tokens_seen == 24


def test_the_window_can_be_changed(tmp_path: Path) -> None:
    moments = Moments(tmp_path, small_settings(loss_window=2))
    for loss in (8.0, 4.0, 2.0):
        moments.train(loss)
    assert moments.meter.smoothed(1) == 2.0
    assert moments.meter.smoothed(99) == pytest.approx(14 / 3)
    assert moments.points[-1][0].smoothed_loss == 3.0
    moments.controls.set(loss_window=3)
    moments.train(6.0)
    assert moments.points[-1][0].smoothed_loss == 4.0


def test_without_any_loss_the_mean_is_no_number(tmp_path: Path) -> None:
    assert math.isnan(Moments(tmp_path).meter.smoothed(5))


def test_an_evaluation_joins_the_line_of_its_update(tmp_path: Path) -> None:
    moments = Moments(tmp_path)
    moments.train(3.0)
    moments.evaluate(2.5)
    assert read_history(moments.history.path).points[-1].eval_loss == 2.5
    assert moments.points[-1][0].eval_loss == 2.5
    moments.train(2.9)
    assert moments.points[-1][0].eval_loss is None


def test_the_rate_written_is_the_one_the_update_was_made_with(tmp_path: Path) -> None:
    """The scale changes it in the update in progress."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    moments = Moments(tmp_path)
    moments.optimizer, moments.lr_scheduler = optimizer, scheduler
    moments.behaviours.members.insert(0, LearningRateScale(moments.controls))
    moments.with_these()
    for scale, rate in ((1.0, 0.5), (0.1, 0.05), (2.0, 1.0), (0.0, 5e-13), (1.0, 0.5)):
        moments.controls.set(learning_rate_scale=scale)
        moments.train(1.0)
        optimizer.step()
        scheduler.step()
        assert moments.points[-1][0].learning_rate == pytest.approx(rate)


def test_what_a_continued_run_must_know(tmp_path: Path) -> None:
    one, other = Moments(tmp_path), Moments(tmp_path)
    for loss in (4.0, 2.0):
        one.train(loss)
    other.meter.restore(one.meter.state())
    assert other.meter.smoothed(5) == 3.0
    assert other.meter.tokens_seen == 20
    assert other.meter.elapsed_s >= one.meter.state()["elapsed_s"] * 0.5
    other.train(0.0)
    assert other.points[-1] == (other.meter.last, 30)


def test_a_history_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    moments = Moments(tmp_path)
    moments.history.close()
    with pytest.raises(RunError, match="is closed"):
        moments.train(1.0)
