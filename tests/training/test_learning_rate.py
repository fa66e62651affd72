"""The scheduler that training steps follows the schedule, and the curve that is drawn is the one that is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import SchedulerType

from training_pro.data.verify import refusals
from training_pro.errors import SettingsError
from training_pro.settings import from_dict
from training_pro.training import learning_rate
from training_pro.training.learning_rate import (
    FOLLOWS_EVALUATION,
    check_schedule,
    make_scheduler,
    multiplier_curve,
    schedule_names,
    schedule_notes,
    takes_warmup,
    transformers_schedules,
)
from training_pro.training.planning import plan_for, rates_of
from training_pro.training.schedules import built_in
from training_pro.training.schedules.shape import Shape

SHAPE = Shape(30, 10, 4)


def rates(name: str, shape: Shape, folder: Path | None = None) -> list[float]:
    """The rate each update is really trained with, at a learning rate of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make_scheduler(name, optimizer, shape, folder)
    found = []
    for _ in range(shape.total_updates):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("name", built_in())
def test_update_s_is_trained_at_the_multiplier_of_s(name: str) -> None:
    multiplier = built_in()[name].multiplier
    assert rates(name, SHAPE) == pytest.approx([multiplier(s, SHAPE) for s in range(30)])


@pytest.mark.parametrize("name", [n for n in schedule_names() if n not in FOLLOWS_EVALUATION])
def test_the_curve_is_what_is_trained(name: str) -> None:
    curve = multiplier_curve(name, SHAPE)
    assert curve is not None
    assert [step for step, _ in curve] == list(range(31))
    assert [share for _, share in curve][:30] == pytest.approx(rates(name, SHAPE), abs=1e-9)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = multiplier_curve("FP_low_epoch_annealing", Shape(100_000, 30_000, 100))
    assert curve is not None
    assert len(curve) <= 402
    assert (curve[0][0], curve[-1][0]) == (0, 100_000)


def test_all_of_transformers_that_work_here_are_offered() -> None:
    assert {"linear", "cosine", "constant", "constant_with_warmup", "polynomial"} <= set(transformers_schedules())
    assert set(schedule_names()) == {*built_in(), *transformers_schedules()}


def test_those_that_follow_the_evaluation_need_it_and_are_drawn_as_unknown() -> None:
    assert multiplier_curve("reduce_lr_on_plateau", SHAPE) is None
    with pytest.raises(SettingsError, match="follows the evaluation loss"):
        check_schedule("reduce_lr_on_plateau", None, has_eval=False)
    check_schedule("reduce_lr_on_plateau", None, has_eval=True)


def test_an_unknown_name_lists_what_there_is_and_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("NAME = 3", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"'nope'.*FP_low_epoch_annealing.*cosine.*bad\.py"):
        check_schedule("nope", tmp_path, has_eval=False)


@pytest.mark.parametrize("name", sorted(kind.value for kind in SchedulerType))
def test_a_users_schedule_hides_none_of_transformers(name: str, tmp_path: Path) -> None:
    text = f"NAME = {name!r}\n\ndef multiplier(step, shape):\n    return 0.0\n"
    (tmp_path / "hides.py").write_text(text, encoding="utf-8")
    assert schedule_names(tmp_path) == schedule_names()
    [fault] = schedule_notes("cosine", SHAPE, tmp_path)
    assert "hides.py" in fault and f"the name {name}, which is taken" in fault


@pytest.mark.parametrize(
    ("name", "shape", "zero"),
    [
        ("FP_raise_fall_creative", Shape(3, 3, 0), False),
        ("FP_3epoch_raise_hold_fall", Shape(1, 1, 0), True),
        ("FP_low_epoch_annealing", Shape(1, 1, 1), True),
        ("FP_low_epoch_annealing", Shape(2, 1, 1), False),
        ("constant_with_warmup", Shape(1, 1, 1), True),
        ("constant", Shape(1, 1, 1), False),
        ("reduce_lr_on_plateau", Shape(1, 1, 1), False),
    ],
)
def test_a_run_of_rate_0_is_seen(name: str, shape: Shape, zero: bool) -> None:
    known = learning_rate.rates(name, shape)
    assert (known is not None and not any(known)) is zero


@pytest.mark.parametrize("later", ["7.0", "float('nan')", "1 / 0"])
def test_a_users_schedule_that_breaks_late_is_found_before_the_run(tmp_path: Path, later: str) -> None:
    """Its file was checked on small runs only."""
    text = f'NAME = "wild"\ndef multiplier(step, shape):\n    return 1.0 if step < 50 else {later}\n'
    (tmp_path / "wild.py").write_text(text, encoding="utf-8")
    check_schedule("wild", tmp_path, has_eval=False)
    with pytest.raises(SettingsError, match="wild fails at update 50 of this run"):
        learning_rate.rates("wild", Shape(100, 50, 0), tmp_path)


def test_a_schedule_with_missing_arguments_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    transformers_schedules.cache_clear()
    real = learning_rate._from_transformers

    def only_linear(name: str, optimizer: torch.optim.Optimizer, shape: Shape) -> object:
        if name != "linear":
            raise ValueError("needs more")
        return real(name, optimizer, shape)

    monkeypatch.setattr(learning_rate, "_from_transformers", only_linear)
    assert transformers_schedules() == ("linear",)
    transformers_schedules.cache_clear()


@pytest.mark.parametrize(
    ("name", "uses"),
    [("FP_3epoch_raise_hold_fall", False), ("FP_raise_fall_creative", False), ("constant", False), ("linear", True),
     ("FP_low_epoch_annealing", True)],
)  # fmt: skip
def test_warmup_of_a_schedule_that_takes_none_is_said_and_refuses_nothing(
    name: str, uses: bool, tmp_path: Path
) -> None:
    settings = from_dict({"lr_scheduler_type": name, "warmup_steps": 100, "epochs": 1.0})
    plan = plan_for(settings, 12, tmp_path)
    assert (plan.warmup_steps > 0) == uses == takes_warmup(name)
    assert any("takes no warmup" in note for note in plan.notes) != uses
    assert uses or not refusals(settings, plan, rates_of(settings, plan, tmp_path))
