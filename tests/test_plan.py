"""The arithmetic of a run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.errors import DataError
from training_pro.plan import make_plan, suggested_save_steps, suggested_warmup_steps


def test_a_plan_by_hand() -> None:
    plan = make_plan(blocks=103, batch_size=4, gradient_accumulation_steps=3, epochs=2.5, warmup_steps=5)
    assert (plan.batches_per_epoch, plan.updates_per_epoch, plan.total_updates) == (26, 9, 23)
    assert (plan.warmup_steps, plan.notes) == (5, ())


def test_too_high_accumulation_is_lowered_and_said() -> None:
    plan = make_plan(10, 4, 8, 1)
    assert plan.gradient_accumulation_steps == 3
    assert "8 to 3" in plan.notes[0]


def test_too_long_warmup_is_clamped_and_said() -> None:
    plan = make_plan(10, 4, 1, 1, warmup_steps=100)
    assert plan.warmup_steps == plan.total_updates == 3
    assert "100 to 3" in plan.notes[0]


def test_warmup_steps_win_over_the_ratio() -> None:
    assert make_plan(100, 1, 1, 1, warmup_steps=3, warmup_ratio=0.5).warmup_steps == 3
    assert make_plan(100, 1, 1, 1, warmup_steps=0, warmup_ratio=0.5).warmup_steps == 50


def test_no_block_is_refused() -> None:
    with pytest.raises(DataError, match="0 blocks"):
        make_plan(0, 4, 1, 3)


def test_suggestions() -> None:
    plan = make_plan(400, 4, 2, 3)
    assert (plan.updates_per_epoch, plan.total_updates) == (50, 150)
    assert suggested_warmup_steps(plan) == 15
    assert suggested_save_steps(plan) == (15, 30)


@given(st.integers(1, 9999), st.integers(1, 2000))
def test_epochs_with_decimals_are_counted_as_they_are_typed(hundredths: int, updates_per_epoch: int) -> None:
    plan = make_plan(updates_per_epoch, 1, 1, epochs=float(f"{hundredths / 100:.2f}"))
    assert plan.total_updates == -(-hundredths * updates_per_epoch // 100)


@given(st.integers(1, 1000), st.integers(1, 5000))
def test_a_warmup_ratio_is_counted_as_it_is_typed(thousandths: int, updates: int) -> None:
    plan = make_plan(updates, 1, 1, epochs=1, warmup_ratio=float(f"{thousandths / 1000:.3f}"))
    assert plan.warmup_steps == -(-thousandths * updates // 1000)


@pytest.mark.parametrize(("epochs", "blocks", "updates"), [(1.1, 100, 110), (2.2, 50, 110), (1e-9, 50, 1), (3, 7, 21)])
def test_floats_add_no_update(epochs: float, blocks: int, updates: int) -> None:
    assert make_plan(blocks, 1, 1, epochs).total_updates == updates
    assert make_plan(100, 1, 1, 1, warmup_ratio=0.07).warmup_steps == 7


@given(st.integers(1, 5000), st.integers(1, 64), st.integers(1, 64), st.floats(0.01, 20))
def test_updates_cover_every_block(blocks: int, batch: int, accumulation: int, epochs: float) -> None:
    plan = make_plan(blocks, batch, accumulation, epochs)
    used = plan.gradient_accumulation_steps
    assert 1 <= used <= plan.batches_per_epoch
    assert plan.updates_per_epoch * used * batch >= blocks > (plan.updates_per_epoch - 1) * used * batch
    assert plan.updates_per_epoch == math.ceil(math.ceil(blocks / batch) / used)
    assert 1 <= plan.total_updates <= math.ceil(epochs * plan.updates_per_epoch)


@pytest.mark.parametrize(
    ("blocks", "epochs", "warmup"), [(1, 1, 0), (2, 1, 1), (20, 3, 6), (1000, 3, 100), (500, 0.1, 5)]
)
def test_the_automatic_warmup_is_what_is_suggested_and_never_the_whole_run(
    blocks: int, epochs: float, warmup: int
) -> None:
    plan = make_plan(blocks, 1, 1, epochs, warmup_steps=-1)
    assert plan.warmup_steps == warmup < plan.total_updates
    assert plan.notes == ()


def test_a_ratio_wins_over_the_automatic_warmup() -> None:
    assert make_plan(100, 1, 1, 1, warmup_steps=-1, warmup_ratio=0.5).warmup_steps == 50
