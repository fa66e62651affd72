"""From settings to the arithmetic of a run; what would learn nothing is refused before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.tiny import TinySamples, prepared, small_settings
from training_pro.errors import DataError, SettingsError
from training_pro.training.planning import plan_for, plan_run, rates_of

NO_FOLDER = Path("no such folder")


@given(
    blocks=st.integers(1, 500),
    batch_size=st.integers(1, 16),
    accumulation=st.integers(1, 16),
    epochs=st.floats(0.01, 8),
)
def test_the_plan_is_the_settings_arithmetic(blocks: int, batch_size: int, accumulation: int, epochs: float) -> None:
    settings = small_settings(batch_size=batch_size, gradient_accumulation_steps=accumulation, epochs=epochs)
    plan = plan_for(settings, blocks, NO_FOLDER)
    batches = -(-blocks // batch_size)
    assert plan.updates_per_epoch == -(-batches // min(accumulation, batches))
    assert epochs * plan.updates_per_epoch <= plan.total_updates < epochs * plan.updates_per_epoch + 1
    rates = rates_of(settings, plan, NO_FOLDER)
    assert rates is not None
    assert len(rates) >= plan.total_updates
    assert all(0 <= rate <= 1 for rate in rates)


def test_warmup_of_a_schedule_without_any_is_dropped_and_said() -> None:
    plan = plan_for(small_settings(lr_scheduler_type="FP_raise_fall_creative", warmup_steps=3), 40, NO_FOLDER)
    assert plan.warmup_steps == 0
    assert "FP_raise_fall_creative takes no warmup: Warmup is not used." in plan.notes


def test_a_warmup_that_is_too_long_is_corrected_once() -> None:
    ours = plan_for(small_settings(warmup_steps=100, epochs=3, batch_size=4), 40, NO_FOLDER)
    assert ours.notes == ("FP_low_epoch_annealing warms up within the first epoch: 10 updates, not 100.",)
    theirs = plan_for(
        small_settings(warmup_steps=100, epochs=3, batch_size=4, lr_scheduler_type="linear"), 40, NO_FOLDER
    )
    [note] = theirs.notes
    assert note.startswith("Warmup lowered from 100 to 30 updates")


def test_no_blocks_at_all() -> None:
    with pytest.raises(DataError):
        plan_for(small_settings(), 0, NO_FOLDER)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"lr_scheduler_type": "nope"}, SettingsError, "LR Scheduler 'nope'"),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, SettingsError, "follows the evaluation loss"),
        ({"epochs": 0.1, "warmup_steps": 1}, SettingsError, "The only update would have learning rate 0"),
        ({"lr_scheduler_type": "linear", "warmup_steps": 500}, SettingsError, "would be warmup"),
    ],
)
def test_what_would_learn_nothing_is_refused(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        plan_run(small_settings(**changes), prepared(TinySamples(12)), NO_FOLDER)


def test_a_schedule_that_follows_the_evaluation_has_no_rates_before() -> None:
    settings = small_settings(lr_scheduler_type="reduce_lr_on_plateau")
    plan = plan_run(settings, prepared(TinySamples(12), TinySamples(4)), NO_FOLDER)
    assert rates_of(settings, plan, NO_FOLDER) is None


def test_what_the_schedule_has_to_say_is_in_the_notes() -> None:
    plan = plan_run(small_settings(epochs=1.0), prepared(TinySamples(12)), NO_FOLDER)
    assert any("no annealing" in note for note in plan.notes)
    plan = plan_run(small_settings(gradient_accumulation_steps=100), prepared(TinySamples(12)), NO_FOLDER)
    assert any("accumulation" in note.lower() for note in plan.notes)
