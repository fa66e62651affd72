"""Stops by loss, by epoch and by evaluation, moved while the run goes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.training.behaviours.moments import Moments
from tests.training.tiny import small_settings
from training_pro.training.behaviours.evaluate import Evaluate
from training_pro.training.behaviours.stops import StopAtEpoch, StopAtLoss


def made(folder: Path, kind: Any, **changes: Any) -> Moments:
    moments = Moments(folder, small_settings(**changes))
    if kind is Evaluate:
        return moments.with_these(Evaluate(moments.settings))
    if kind is StopAtEpoch:
        return moments.with_these(StopAtEpoch(moments.controls))
    return moments.with_these(StopAtLoss(moments.controls, moments.meter, moments.notes.append))


def stops_at(moments: Moments, losses: list[float]) -> int | None:
    for loss in losses:
        if moments.train(loss).stopped:
            return moments.update
    return None


@pytest.mark.parametrize(
    ("stop", "window", "losses", "at"),
    [
        (1.0, 1, [2, 1.5, 1.0, 0.9], 3),
        (1.0, 3, [2, 0.6, 0.6, 0.6], 4),
        (1.0, 5, [0.9], 1),
        (1.0, 5, [1.2, 0.7], 2),
        (0.0, 1, [0.0, 0.0], None),
        (1.0, 2, [float("nan"), 0.5, 0.5], 3),
    ],
)
def test_stop_at_the_mean_of_the_last_n(tmp_path: Path, stop: float, window: int, losses: Any, at: int | None) -> None:
    moments = made(tmp_path, StopAtLoss, stop_at_loss=stop, loss_window=window)
    assert stops_at(moments, losses) == at
    assert (not moments.stopped) is (at is None)


def test_the_reason_names_both_losses_and_the_window(tmp_path: Path) -> None:
    moments = made(tmp_path, StopAtLoss, stop_at_loss=1.25, loss_window=2)
    stops_at(moments, [1.5, 0.9])
    assert {"1.2000", "2", "1.25"} <= set(re.findall(r"[\d.]+", moments.stopped))


def test_stop_loss_and_window_can_be_moved(tmp_path: Path) -> None:
    moments = made(tmp_path, StopAtLoss, stop_at_loss=0.0, loss_window=5)
    assert stops_at(moments, [2.0, 0.5]) is None
    moments.controls.set(stop_at_loss=0.6)
    assert stops_at(moments, [0.5]) is None
    moments.controls.set(loss_window=2)
    assert stops_at(moments, [0.5]) == 4


@pytest.mark.parametrize(("stop", "at"), [(1, 10), (2, 20), (0, None), (9, None)])
def test_stop_after_whole_epochs(tmp_path: Path, stop: int, at: int | None) -> None:
    moments = made(tmp_path, StopAtEpoch, stop_at_epoch=stop)
    assert stops_at(moments, [1.0] * 40) == at
    if at:
        assert f"epoch {stop}" in moments.stopped


def test_an_epoch_already_passed_stops_now(tmp_path: Path) -> None:
    moments = made(tmp_path, StopAtEpoch)
    assert stops_at(moments, [1.0] * 25) is None
    moments.controls.set(stop_at_epoch=1)
    assert stops_at(moments, [1.0]) == 26


def test_the_last_update_is_no_stop(tmp_path: Path) -> None:
    moments = made(tmp_path, StopAtEpoch, stop_at_epoch=10)
    assert stops_at(moments, [1.0] * 100) is None
    assert not moments.stopped


@pytest.mark.parametrize(
    ("kind", "changes"), [(StopAtLoss, {"stop_at_loss": 1.0}), (StopAtEpoch, {"stop_at_epoch": 1})]
)
def test_a_run_that_goes_on_beyond_a_stop_ends_before_its_first_update(
    tmp_path: Path, kind: Any, changes: dict[str, Any]
) -> None:
    moments = made(tmp_path, kind, **changes)
    moments.meter.restore({"losses": [0.9], "elapsed_s": 1.0, "tokens_seen": 5, "padded_tokens_seen": 5})
    moments.begin(10)
    assert moments.stopped


def test_a_fresh_run_does_not_stop_at_its_beginning(tmp_path: Path) -> None:
    for kind, changes in ((StopAtLoss, {"stop_at_loss": 1.0}), (StopAtEpoch, {"stop_at_epoch": 1})):
        moments = made(tmp_path, kind, **changes)
        moments.begin()
        assert not moments.stopped


# -- evaluation ---------------------------------------------------------------------------------------------------


def evaluated_at(moments: Moments, count: int) -> list[int]:
    found = []
    for _ in range(count):
        if moments.train(1.0).evaluating:
            found.append(moments.update)
            moments.evaluate(1.0)
    return found


def test_every_n_updates_and_at_the_last(tmp_path: Path) -> None:
    moments = Moments(tmp_path, small_settings(eval_steps=4), updates=10)
    moments.with_these(Evaluate(moments.settings))
    assert evaluated_at(moments, 10) == [4, 8, 10]


def test_where_another_stop_ends_the_run(tmp_path: Path) -> None:
    moments = Moments(tmp_path, small_settings(eval_steps=50, stop_at_loss=2.0))
    at_loss = StopAtLoss(moments.controls, moments.meter, moments.notes.append)
    moments.with_these(at_loss, Evaluate(moments.settings))
    assert moments.train(1.0).evaluating


@pytest.mark.parametrize(
    ("patience", "losses", "at"),
    [
        (2, [2.0, 1.9, 1.95, 1.8, 1.85, 1.8], 6),
        (1, [2.0, 2.0], 2),
        (0, [2.0, 3.0, 4.0, 5.0], None),
        (3, [2.0, 3.0, 4.0, 1.0, 3.0], None),
        (2, [1.0, float("nan"), float("nan")], 3),
        (2, [float("nan"), 1.0, 0.9, 0.8], None),
        (1, [float("nan")], 1),
    ],
)
def test_patience(tmp_path: Path, patience: int, losses: list[float], at: int | None) -> None:
    moments = made(tmp_path, Evaluate, eval_patience=patience, eval_steps=1)
    ended = None
    for loss in losses:
        moments.train(1.0)
        if moments.evaluate(loss).stopped:
            ended = moments.update
            break
    assert ended == at
    assert bool(moments.stopped) is (at is not None)


def test_patience_is_carried_on(tmp_path: Path) -> None:
    moments = made(tmp_path, Evaluate, eval_patience=2, eval_steps=1)
    for loss in (1.0, 1.1):
        moments.train(1.0)
        moments.evaluate(loss)
    other = made(tmp_path, Evaluate, eval_patience=2, eval_steps=1)
    other.behaviours.restore({"Evaluate": moments.behaviours.state()["Evaluate"]})
    other.train(1.0)
    assert other.evaluate(1.05).stopped


def test_an_evaluation_that_was_cut_short_is_made_up_for(tmp_path: Path) -> None:
    moments = made(tmp_path, Evaluate, eval_steps=1)
    moments.train(1.0)
    other = made(tmp_path, Evaluate, eval_steps=1)
    other.behaviours.restore({"Evaluate": moments.behaviours.state()["Evaluate"]})
    other.begin(1)
    assert other.evaluating
    other.evaluate(1.0)
    other.evaluating = False
    other.begin(1)
    assert not other.evaluating


# -- ramping down to the stop -------------------------------------------------------------------------------------


def ramping(folder: Path, **changes: Any) -> tuple[Moments, StopAtLoss]:
    moments = Moments(folder, small_settings(**{"stop_at_loss": 1.0, "stop_ramp": True, "loss_window": 1, **changes}))
    at_loss = StopAtLoss(moments.controls, moments.meter, moments.notes.append)
    return moments.with_these(at_loss), at_loss


def shares(moments: Moments, at_loss: StopAtLoss, losses: list[float]) -> list[float]:
    """What the rate of each update is multiplied by, until the run stops."""
    found = []
    for loss in losses:
        found.append(at_loss.rate_share)
        if moments.train(loss).stopped:
            break
    return found


def test_the_rate_falls_to_0_over_a_tenth_of_the_updates_done_and_then_the_run_stops(tmp_path: Path) -> None:
    moments, at_loss = ramping(tmp_path)
    found = shares(moments, at_loss, [2.0] * 29 + [0.9] + [1.4] * 50)
    assert found[:30] == [1.0] * 30
    assert found[30:] == pytest.approx([0.75, 0.5, 0.25])
    assert moments.update == 33 and "over 3 updates" in moments.stopped
    (said,) = moments.notes
    assert {"3", "33"} <= set(re.findall(r"\d+", said))


def test_the_ramp_is_never_longer_than_the_run(tmp_path: Path) -> None:
    moments, at_loss = ramping(tmp_path)
    found = shares(moments, at_loss, [2.0] * 97 + [0.9] + [0.9] * 50)
    assert found[98:] == pytest.approx([2 / 3, 1 / 3]) and moments.update == 100


def test_a_stop_loss_moved_below_the_loss_brings_the_rate_back(tmp_path: Path) -> None:
    moments, at_loss = ramping(tmp_path)
    shares(moments, at_loss, [2.0] * 29 + [0.9, 0.9])
    moments.controls.set(stop_at_loss=0.5)
    assert shares(moments, at_loss, [0.9] * 3) == pytest.approx([0.5, 1.0, 1.0])
    assert not moments.stopped and len(moments.notes) == 2
    assert shares(moments, at_loss, [0.4, 0.4])[1] < 1.0


def test_turned_off_meanwhile_it_stops_at_once(tmp_path: Path) -> None:
    moments, at_loss = ramping(tmp_path)
    shares(moments, at_loss, [2.0] * 29 + [0.9])
    moments.controls.set(stop_ramp=False)
    assert moments.train(0.9).stopped and moments.update == 31


def test_a_ramp_is_carried_on_by_a_resumed_run(tmp_path: Path) -> None:
    moments, at_loss = ramping(tmp_path)
    shares(moments, at_loss, [2.0] * 29 + [0.9, 0.9])
    other, resumed = ramping(tmp_path)
    other.behaviours.restore(json.loads(json.dumps(moments.behaviours.state())))
    other.begin(31)
    assert shares(other, resumed, [1.4] * 9) == pytest.approx([0.5, 0.25])
    assert other.update == 33
