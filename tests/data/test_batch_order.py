"""The padding that Verify tells is that of the batches which the run is given."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training_pro.data.batch_order import WINDOW_BATCHES, padding_share
from training_pro.training.loop.batch_sampler import EpochSampler
from training_pro.training.loop.batches import cut, pad, with_little_padding


def share_of_batches(lengths: npt.NDArray[np.int32], batch_size: int, seed: int, grouped: bool, epochs: int) -> float:
    """By padding every batch of every epoch as the trainer does."""
    sampler = EpochSampler(lengths, batch_size, seed, grouped)
    padded = 0
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for batch in cut(list(sampler), batch_size):
            samples = [{"input_ids": np.ones(lengths[i]), "labels": np.ones(lengths[i])} for i in batch]
            for piece in with_little_padding(samples):
                padded += pad(piece, 0, torch.device("cpu")).input_ids.numel()
    return 1 - epochs * int(lengths.sum()) / padded


@given(
    st.lists(st.integers(1, 30) | st.integers(100, 300), min_size=1, max_size=60),
    st.integers(1, 7),
    st.integers(0, 9),
    st.booleans(),
)
def test_it_is_the_share_of_the_batches(lengths: list[int], batch_size: int, seed: int, grouped: bool):
    counts = np.array(lengths, np.int32)
    for epochs in (1, 2):
        wanted = share_of_batches(counts, batch_size, seed, grouped, epochs)
        assert padding_share(counts, batch_size, seed, grouped, epochs) == pytest.approx(wanted)


def test_known_shares():
    assert padding_share(np.array([1, 3, 1, 3], np.int32), 4, 0, True) == pytest.approx(1 - 8 / 12)
    assert padding_share(np.array([1, 3, 1, 3], np.int32), 2, 0, True) == 0
    assert padding_share(np.array([2, 5], np.int32), 2, 0, False) == pytest.approx(0.3)
    assert padding_share(np.array([2, 5], np.int32), 1, 0, True) == 0


def test_a_long_block_among_short_ones_is_computed_apart_where_that_saves_much():
    lengths = np.array([300, 50, 40, 30], np.int32)
    assert padding_share(lengths, 4, 0, True) == pytest.approx(1 - 420 / (300 + 3 * 50))
    lengths = np.array([90, 50, 50, 50], np.int32)  # 120 tokens would be saved
    assert padding_share(lengths, 4, 0, True) == pytest.approx(1 - 240 / 360)


def test_like_lengths_are_together_within_a_window_alone():
    lengths = np.arange(1, 4 * WINDOW_BATCHES * 8 + 1, dtype=np.int32)
    share = padding_share(lengths, 4, 0, True)
    assert 0 < share < 0.02 < padding_share(lengths, 4, 0, False)
