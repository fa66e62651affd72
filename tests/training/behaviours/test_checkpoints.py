"""When a checkpoint is due, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.training.behaviours.moments import Moments
from tests.training.tiny import small_settings
from training_pro.training.behaviours.checkpoints import BY_HAND, Checkpoints


def made(folder: Path, **changes: Any) -> Moments:
    moments = Moments(folder, small_settings(**{"save_steps": 0, "save_at_loss": 0.0, "loss_window": 1, **changes}))
    return moments.with_these(Checkpoints(moments.settings, moments.controls, moments.meter))


def reasons(moments: Moments, losses: list[float]) -> dict[int, str]:
    """What is saved at which update, over updates of these losses."""
    found = {}
    for loss in losses:
        if moments.train(loss).saves:
            found[moments.update] = "; ".join(moments.saves)
    return found


def test_every_n_updates_and_each_epoch(tmp_path: Path) -> None:
    assert reasons(made(tmp_path, save_steps=4), [1.0] * 21) == {
        4: "every 4 updates",
        8: "every 4 updates",
        10: "end of epoch 1",
        12: "every 4 updates",
        16: "every 4 updates",
        20: "every 4 updates; end of epoch 2",
    }


def test_0_is_neither(tmp_path: Path) -> None:
    assert reasons(made(tmp_path, save_steps=0), [1.0] * 21) == {}


def test_by_loss_first_at_x_then_at_each_further_10_percent(tmp_path: Path) -> None:
    losses = [2.5, 1.9, 1.8, 1.7, 1.62, 1.5, 1.45, 1.31, 2.0, 1.3]
    assert reasons(made(tmp_path, save_at_loss=1.8), losses) == {
        3: "loss 1.800 fell to 1.8",
        5: "loss 1.620 is 10 % below 1.800",
        7: "loss 1.450 is 10 % below 1.620",
        10: "loss 1.300 is 10 % below 1.450",
    }


def test_by_loss_looks_at_the_smoothed_loss(tmp_path: Path) -> None:
    moments = made(tmp_path, save_at_loss=1.0, loss_window=4)
    assert reasons(moments, [2.0, 2.0, 2.0, 0.1, 0.1]) == {}
    assert reasons(moments, [0.1]) == {6: "loss 0.575 fell to 1"}


def test_by_button_and_all_reasons_together(tmp_path: Path) -> None:
    moments = made(tmp_path, save_steps=2)
    moments.train(1.0)
    moments.controls.ask_checkpoint()
    assert reasons(moments, [1.0, 1.0]) == {2: "asked for by hand; every 2 updates"}


def test_best_evaluation(tmp_path: Path) -> None:
    moments = made(tmp_path)
    found = []
    for loss in (2.0, 1.5, 1.6, 1.5, 1.4):
        moments.train(1.0)
        found.append("; ".join(moments.evaluate(loss).saves))
    assert found == [
        "best evaluation loss 2.0000",
        "best evaluation loss 1.5000",
        "",
        "",
        "best evaluation loss 1.4000",
    ]


def test_best_evaluation_can_be_turned_off(tmp_path: Path) -> None:
    moments = made(tmp_path, save_best=False)
    moments.train(1.0)
    assert moments.evaluate(2.0).saves == []


def test_a_nan_evaluation_is_never_the_best_but_can_be_beaten(tmp_path: Path) -> None:
    moments = made(tmp_path)
    for loss, saved in ((float("nan"), False), (2.0, True), (float("nan"), False), (1.9, True)):
        moments.train(1.0)
        assert bool(moments.evaluate(loss).saves) is saved


def test_what_a_continued_run_must_know(tmp_path: Path) -> None:
    changes = {"save_steps": 4, "save_at_loss": 1.8}
    one = made(tmp_path, **changes)
    reasons(one, [1.7] * 10)
    one.evaluate(1.2)
    other = made(tmp_path, **changes)
    other.behaviours.restore({"Checkpoints": one.behaviours.state()["Checkpoints"]})
    other.begin(10)
    assert reasons(other, [1.6, 1.7 * 0.9]) == {12: "every 4 updates; loss 1.530 is 10 % below 1.700"}
    other.train(1.6)
    assert other.evaluate(1.3).saves == []


def test_asked_for_in_a_pause_it_is_written_at_once_but_never_before_the_first_update(tmp_path: Path) -> None:
    moments = made(tmp_path)
    moments.controls.ask_checkpoint()
    moments.while_paused()
    assert moments.saved_at_once == []
    assert moments.train(1.0).saves == [BY_HAND]
    moments.controls.ask_checkpoint()
    moments.while_paused()
    assert moments.saved_at_once == [BY_HAND]
    assert moments.train(1.0).saves == []
