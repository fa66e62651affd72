"""Every block once an epoch, mixed anew each time, little padding, and only the last batch short."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_pro.training.loop.batch_sampler import WINDOW_BATCHES, EpochSampler, epoch_order


def lengths_of(count: int, seed: int = 0) -> npt.NDArray[np.int32]:
    return np.random.default_rng(seed).integers(5, 512, count).astype(np.int32)


def batches(order: npt.NDArray[np.int64], size: int) -> list[list[int]]:
    return [order[i : i + size].tolist() for i in range(0, len(order), size)]


@given(st.integers(1, 700), st.integers(1, 17), st.integers(0, 99), st.integers(0, 9), st.booleans())
@settings(max_examples=80, deadline=None)
def test_each_index_once(count: int, size: int, seed: int, epoch: int, grouped: bool) -> None:
    order = epoch_order(lengths_of(count), size, seed, epoch, grouped)
    assert sorted(order.tolist()) == list(range(count))
    assert all(len(batch) == size for batch in batches(order, size)[:-1])


def test_a_pure_function_of_seed_and_epoch() -> None:
    lengths = lengths_of(200)
    assert np.array_equal(epoch_order(lengths, 4, 7, 2, True), epoch_order(lengths, 4, 7, 2, True))
    assert not np.array_equal(epoch_order(lengths, 4, 7, 2, True), epoch_order(lengths, 4, 7, 3, True))
    assert not np.array_equal(epoch_order(lengths, 4, 7, 2, True), epoch_order(lengths, 4, 8, 2, True))


def computed_over_real(lengths: npt.NDArray[np.int32], order: npt.NDArray[np.int64], size: int) -> float:
    computed = sum(int(lengths[batch].max()) * len(batch) for batch in batches(order, size))
    return computed / int(lengths.sum())


def test_grouping_saves_nearly_all_padding() -> None:
    lengths = lengths_of(2000)
    assert computed_over_real(lengths, epoch_order(lengths, 4, 0, 0, True), 4) < 1.02
    assert computed_over_real(lengths, epoch_order(lengths, 4, 0, 0, False), 4) > 1.3


def test_neighbours_change_from_epoch_to_epoch() -> None:
    """Of the pairs that share a batch in one epoch, hardly any share one in the next."""
    lengths = lengths_of(4 * WINDOW_BATCHES * 6)
    pairs = []
    for epoch in (0, 1):
        found = batches(epoch_order(lengths, 4, 0, epoch, True), 4)
        pairs.append({(a, b) for batch in found for a in batch for b in batch if a < b})
    assert len(pairs[0] & pairs[1]) / len(pairs[0]) < 0.1


def test_long_and_short_batches_come_mixed() -> None:
    """The lengths of an epoch's batches have no trend: a run never ends on its longest blocks."""
    lengths = lengths_of(4000)
    means = [lengths[batch].mean() for batch in batches(epoch_order(lengths, 4, 0, 0, True), 4)]
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.1
    first, last = np.mean(means[:500]), np.mean(means[500:])
    assert first == pytest.approx(last, rel=0.1)


def test_every_block_is_early_in_some_epoch_and_late_in_another() -> None:
    lengths = lengths_of(400)
    places = np.empty((12, 400))
    for epoch in range(12):
        places[epoch, epoch_order(lengths, 4, 3, epoch, True)] = np.arange(400)
    assert (places.min(axis=0) < 200).all()
    assert (places.max(axis=0) >= 200).all()


def test_the_sampler_gives_the_order_of_its_epoch() -> None:
    lengths = lengths_of(50)
    sampler = EpochSampler(lengths, 4, 1, True)
    sampler.set_epoch(3)
    assert len(sampler) == 50
    assert list(sampler) == epoch_order(lengths, 4, 1, 3, True).tolist()
