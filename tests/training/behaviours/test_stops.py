"""Stops by loss, by epoch and by evaluation, moved while the run goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.behaviours.moments import Moments
from tests.training.tiny import small_settings
from training_pro.training.behaviours.evaluate import Evaluate
from training_pro.training.behaviours.stop_at_epoch import StopAtEpoch
from training_pro.training.behaviours.stop_at_loss import StopAtLoss
from training_pro.training.status import EarlyEnd


def made(folder: Path, kind: Any, **changes: Any) -> tuple[Moments, EarlyEnd]:
    moments, early_end = Moments(folder, small_settings(**changes)), EarlyEnd()
    more = (moments.meter,) if kind is StopAtLoss else ()
    first = moments.settings if kind is Evaluate else moments.controls
    return moments.with_these(kind(first, *more, early_end)), early_end


def stops_at(moments: Moments, losses: list[float]) -> int | None:
    for loss in losses:
        if moments.update(loss).should_training_stop:
            return moments.state.global_step
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
    moments, early_end = made(tmp_path, StopAtLoss, stop_at_loss=stop, loss_window=window)
    assert stops_at(moments, losses) == at
    assert (early_end.ending is None) is (at is None)


def test_the_reason_names_both_losses_and_the_window(tmp_path: Path) -> None:
    moments, early_end = made(tmp_path, StopAtLoss, stop_at_loss=1.25, loss_window=2)
    stops_at(moments, [1.5, 0.9])
    assert early_end.ending is not None
    assert early_end.ending.kind == "stopped"
    assert early_end.ending.reason == "the loss, 1.2000 over the last 2 updates, reached the stop loss 1.25"


def test_stop_loss_and_window_can_be_moved(tmp_path: Path) -> None:
    moments, _ = made(tmp_path, StopAtLoss, stop_at_loss=0.0, loss_window=5)
    assert stops_at(moments, [2.0, 0.5]) is None
    moments.controls.set(stop_at_loss=0.6)
    assert stops_at(moments, [0.5]) is None
    moments.controls.set(loss_window=2)
    assert stops_at(moments, [0.5]) == 4


@pytest.mark.parametrize(("stop", "at"), [(1, 10), (2, 20), (0, None), (9, None)])
def test_stop_after_whole_epochs(tmp_path: Path, stop: int, at: int | None) -> None:
    moments, early_end = made(tmp_path, StopAtEpoch, stop_at_epoch=stop)
    assert stops_at(moments, [1.0] * 40) == at
    if at:
        assert early_end.ending is not None
        assert early_end.ending.reason == f"epoch {stop} was reached"


def test_an_epoch_already_passed_stops_now(tmp_path: Path) -> None:
    moments, _ = made(tmp_path, StopAtEpoch)
    assert stops_at(moments, [1.0] * 25) is None
    moments.controls.set(stop_at_epoch=1)
    assert stops_at(moments, [1.0]) == 26


def test_the_last_update_is_no_stop(tmp_path: Path) -> None:
    moments, early_end = made(tmp_path, StopAtEpoch, stop_at_epoch=10)
    assert stops_at(moments, [1.0] * 100) is None
    assert early_end.ending is None


@pytest.mark.parametrize(
    ("kind", "changes"), [(StopAtLoss, {"stop_at_loss": 1.0}), (StopAtEpoch, {"stop_at_epoch": 1})]
)
def test_a_run_that_goes_on_beyond_a_stop_ends_before_its_first_update(
    tmp_path: Path, kind: Any, changes: dict[str, Any]
) -> None:
    moments, early_end = made(tmp_path, kind, **changes)
    moments.meter.restore({"losses": [0.9], "elapsed_s": 1.0, "tokens_seen": 5, "padded_tokens_seen": 5})
    moments.begin(10)
    assert moments.control.should_training_stop
    assert early_end.ending is not None


def test_a_fresh_run_does_not_stop_at_its_beginning(tmp_path: Path) -> None:
    for kind, changes in ((StopAtLoss, {"stop_at_loss": 1.0}), (StopAtEpoch, {"stop_at_epoch": 1})):
        moments, _ = made(tmp_path, kind, **changes)
        moments.begin()
        assert not moments.control.should_training_stop


# -- evaluation ---------------------------------------------------------------------------------------------------


def evaluated_at(moments: Moments, count: int) -> list[int]:
    found = []
    for _ in range(count):
        if moments.update(1.0).should_evaluate:
            found.append(moments.state.global_step)
            moments.evaluate(1.0)
    return found


def test_every_n_updates_and_at_the_last(tmp_path: Path) -> None:
    moments = Moments(tmp_path, small_settings(eval_steps=4), updates=10)
    moments.with_these(Evaluate(moments.settings, EarlyEnd()))
    assert evaluated_at(moments, 10) == [4, 8, 10]


def test_where_another_stop_ends_the_run(tmp_path: Path) -> None:
    moments = Moments(tmp_path, small_settings(eval_steps=50, stop_at_loss=2.0))
    early_end = EarlyEnd()
    moments.with_these(StopAtLoss(moments.controls, moments.meter, early_end), Evaluate(moments.settings, early_end))
    assert moments.update(1.0).should_evaluate


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
    moments, early_end = made(tmp_path, Evaluate, eval_patience=patience, eval_steps=1)
    ended = None
    for loss in losses:
        moments.update(1.0)
        if moments.evaluate(loss).should_training_stop:
            ended = moments.state.global_step
            break
    assert ended == at
    assert (early_end.ending is not None) is (at is not None)


def test_patience_is_carried_on(tmp_path: Path) -> None:
    moments, _ = made(tmp_path, Evaluate, eval_patience=2, eval_steps=1)
    for loss in (1.0, 1.1):
        moments.update(1.0)
        moments.evaluate(loss)
    other, _ = made(tmp_path, Evaluate, eval_patience=2, eval_steps=1)
    other.behaviours[1].restore(moments.behaviours[1].state())
    other.update(1.0)
    assert other.evaluate(1.05).should_training_stop


def test_an_evaluation_that_was_cut_short_is_made_up_for(tmp_path: Path) -> None:
    moments, _ = made(tmp_path, Evaluate, eval_steps=1)
    moments.update(1.0)
    state = moments.behaviours[1].state()
    other, _ = made(tmp_path, Evaluate, eval_steps=1)
    made_up: list[int] = []
    evaluate = other.behaviours[1]
    assert isinstance(evaluate, Evaluate)
    evaluate.restore(state)
    evaluate.make_up = lambda: made_up.append(1)
    other.begin(1)
    assert made_up == [1]
    other.evaluate(1.0)
    other.begin(1)
    assert made_up == [1]
