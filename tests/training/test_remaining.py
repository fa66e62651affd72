"""What is left of a run: the tokens to come in their order, and what is done besides."""

from __future__ import annotations

import numpy as np
import pytest

from training_pro.plan import make_plan
from training_pro.settings import Settings
from training_pro.training.loop.batch_sampler import EpochSampler, UpdateSampler
from training_pro.training.remaining import FORGETTING, Besides, Remaining
from training_pro.training.update_tokens import update_tokens

LENGTHS = np.random.default_rng(0).integers(8, 300, 103).astype(np.int32)


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize(("batch", "accumulation", "epochs"), [(4, 1, 3.0), (8, 3, 2.5), (1, 4, 1.0), (200, 2, 12.0)])
def test_tokens_are_those_of_the_batches_in_training_order(
    batch: int, accumulation: int, epochs: float, grouped: bool
) -> None:
    settings = Settings(batch_size=batch, gradient_accumulation_steps=accumulation, group_by_length=grouped, seed=7)
    plan = make_plan(len(LENGTHS), batch, accumulation, epochs)
    sampler, wanted = EpochSampler(LENGTHS, batch, 7, grouped), []
    for epoch in range(min(int(np.ceil(epochs)), 8)):
        sampler.set_epoch(epoch)
        for update in UpdateSampler(sampler, plan.blocks_at_once, plan.blocks_per_update):
            pieces = [LENGTHS[update[at : at + batch]] for at in range(0, len(update), batch)]
            wanted.append(float(sum(int(piece.max()) * len(piece) for piece in pieces)))
    found = update_tokens(LENGTHS, plan, settings)
    assert len(found) == plan.total_updates
    assert found.tolist()[: len(wanted)] == wanted[: plan.total_updates]


def test_long_updates_to_come_take_longer() -> None:
    remaining = Remaining(np.array([10.0, 10, 10, 10, 100, 100]))
    for update in (1, 2, 3, 4):
        remaining.updated(update, 1.0)
    assert remaining.seconds_left(4) == pytest.approx(20.0)
    assert remaining.tokens_per_s == pytest.approx(10.0)


def test_the_first_update_is_left_out_once_there_is_another() -> None:
    remaining = Remaining(np.full(10, 10.0))
    assert remaining.seconds_left(0) is None and remaining.measured == 0
    remaining.updated(1, 50.0)
    assert remaining.seconds_left(1) == pytest.approx(450.0) and remaining.measured == 0
    remaining.updated(2, 1.0)
    assert remaining.seconds_left(2) == pytest.approx(8.0) and remaining.measured == 1


def test_a_machine_that_slows_down_is_noticed() -> None:
    remaining = Remaining(np.full(100, 10.0))
    for update in range(1, 61):
        remaining.updated(update, 1.0 if update <= 30 else 3.0)
    assert remaining.seconds_left(60) == pytest.approx(120.0)


def test_what_is_done_besides_comes_on_top() -> None:
    besides = Besides({"evaluating": 4, "saving": 5}, frozenset({"evaluating", "sampling"}), 30.0)
    remaining = Remaining(np.full(10, 10.0), besides)
    for update in (1, 2):
        remaining.updated(update, 1.0)
    evaluation = 30.0 / 10.0 / 3
    assert remaining.seconds_left(2) == pytest.approx(8 + 3 * evaluation)  # after 4, 8 and 10
    remaining.did("evaluating", 7.0)
    remaining.did("saving", 2.0)
    remaining.did("sampling", 0.5)
    assert remaining.seconds_left(2) == pytest.approx(8 + 3 * 7.0 + 2 * 2.0 + 0.5)
    remaining.updated(10, 1.0)
    assert remaining.seconds_left(10) == pytest.approx(7.0 + 2.0 + 0.5)
    for phase, seconds in (("evaluating", 7.0), ("saving", 2.0), ("sampling", 0.5)):
        remaining.did(phase, seconds)
    assert remaining.seconds_left(10) == 0.0


def test_what_comes_right_after_an_update_is_counted_until_it_is_done() -> None:
    remaining = Remaining(np.full(10, 10.0), Besides({"evaluating": 4}))
    for update in (1, 2, 3, 4):
        remaining.updated(update, 1.0)
    remaining.did("saving", 9.0)
    before = remaining.seconds_left(4)
    remaining.did("evaluating", 3.0)
    assert before == pytest.approx(6.0) and remaining.seconds_left(4) == pytest.approx(6 + 3.0)


def test_updates_that_something_held_up_do_not_count() -> None:
    remaining = Remaining(np.full(100, 10.0))
    for update in range(1, 12):
        remaining.updated(update, 30.0 if update in (4, 9) else 1.0)
    assert remaining.seconds_left(11) == pytest.approx(89.0)


@pytest.mark.parametrize(
    ("every", "at_end", "update", "left"),
    [
        (4, True, 0, 3),
        (4, True, 8, 1),
        (4, True, 10, 0),
        (5, True, 0, 2),
        (5, True, 5, 1),
        (0, True, 3, 1),
        (3, False, 9, 0),
    ],
)
def test_how_often_something_still_comes(every: int, at_end: bool, update: int, left: int) -> None:
    besides = Besides({"x": every}, frozenset({"x"}) if at_end else frozenset())
    assert besides.times_left("x", update, 10) == left


def test_what_a_run_does_besides() -> None:
    plan = make_plan(100, 4, 1, 2.0)
    assert Besides.of(Settings(watch_forgetting=False), plan, 0.0) == Besides()
    assert Besides.of(Settings(eval_steps=9), plan, 0.0) == Besides({FORGETTING: 9}, frozenset({FORGETTING}))
    full = Besides.of(Settings(watch_forgetting=False, sample_prompts="a\nb", eval_steps=7, save_steps=40), plan, 50.0)
    assert full.every == {"evaluating": 7, "sampling": 7, "saving": 25}
    assert full.at_end == {"evaluating", "sampling"} and full.evaluation_tokens == 50.0
    often = Settings(watch_forgetting=False, sample_prompts="a", sample_steps=9)
    assert Besides.of(often, plan, 0.0).every == {"sampling": 9}
