"""Micro-batches: padded to their own longest, masked, the first token never trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.training.tiny import TinySamples
from training_pro.errors import DataError
from training_pro.training.loop.batches import (
    ReadableSamples,
    collate,
    cut,
    nothing_to_learn,
    pad,
    trained_tokens,
    with_little_padding,
)

CPU = torch.device("cpu")


def sample(*ids: int, untrained: int = 1) -> dict[str, Any]:
    labels = np.array(ids, np.int64)
    labels[:untrained] = -100
    return {"input_ids": np.array(ids, np.int32), "labels": labels}


def test_padded_on_the_right_to_the_longest() -> None:
    batch = pad([sample(5, 6, 7), sample(8, 9)], 1, CPU)
    assert batch.input_ids.tolist() == [[5, 6, 7], [8, 9, 1]]
    assert batch.labels.tolist() == [[-100, 6, 7], [-100, 9, -100]]
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert set(batch.inputs()) == {"input_ids", "labels", "attention_mask"}


def test_no_mask_where_nothing_is_padded() -> None:
    batch = pad([sample(5, 6), sample(8, 9)], 1, CPU)
    assert batch.attention_mask is None
    assert set(batch.inputs()) == {"input_ids", "labels"}


def test_no_mask_where_the_model_needs_none() -> None:
    batch = pad([sample(5, 6, 7), sample(8, 9)], 1, CPU, masked=False)
    assert batch.attention_mask is None
    assert batch.input_ids.tolist() == [[5, 6, 7], [8, 9, 1]]


def test_the_places_of_the_trained_tokens_are_known() -> None:
    batch = pad([sample(5, 6, 7, untrained=2), sample(8, 9)], 1, CPU)
    assert batch.trained_at.tolist() == [2, 4]
    assert batch.labels.reshape(-1)[batch.trained_at].tolist() == [7, 9]
    assert nothing_to_learn(1, CPU).trained_at.tolist() == []


def test_the_label_of_the_first_token_is_left_out_whatever_the_data_says() -> None:
    """Nothing predicts it; some versions of transformers would count it."""
    batch = pad([sample(5, 6, untrained=0)], 1, CPU)
    assert batch.labels.tolist() == [[-100, 6]]
    assert trained_tokens([sample(5, 6, untrained=0)]) == 1


def test_trained_tokens_are_counted_over_all_samples() -> None:
    assert trained_tokens([sample(5, 6, 7, 8, untrained=3), sample(9, 10)]) == 2


def test_padding_ids_that_are_in_the_text_are_still_trained() -> None:
    """The pad token is often the EOS, which is to be learned."""
    batch = pad([sample(5, 2), sample(5, 6, 2)], 2, CPU)
    assert batch.labels.tolist() == [[-100, 2, -100], [-100, 6, 2]]


def test_cut_keeps_the_order() -> None:
    assert cut([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
    assert cut([1, 2], 5) == [[1, 2]]


def test_a_micro_batch_is_in_two_pieces_where_that_saves_much_padding() -> None:
    a, b, c, d = (sample(*range(5, 5 + count)) for count in (40, 300, 30, 290))
    assert with_little_padding([a, b, c, d]) == [[b, d], [a, c]]
    assert with_little_padding([a, c]) == [[a, c]]
    assert with_little_padding([b]) == [[b]]


def test_the_collator_keeps_blocks_apart() -> None:
    samples = [sample(1, 2), sample(3, 4, 5)]
    assert collate(samples) == samples


class Unreadable(TinySamples):
    def __getitem__(self, index: int) -> dict[str, Any]:
        raise ValueError("the file is gone")


def test_a_block_that_can_not_be_read_is_named() -> None:
    samples = ReadableSamples(Unreadable(7))
    assert len(samples) == 7
    with pytest.raises(DataError, match=r"Block 4 of 7 can't be read \(ValueError: the file is gone\)"):
        samples[3]


def test_no_sequence_sees_its_neighbour() -> None:
    """A row's loss is the same alone and beside longer rows."""
    from tests.training import zoo

    model = zoo.make("llama").eval()
    short, long = sample(*range(10, 18)), sample(*range(20, 50))
    with torch.no_grad():
        alone = model(**{k: v for k, v in pad([short], 2, CPU).inputs().items() if k != "labels"}).logits[0]
        beside = model(**{k: v for k, v in pad([long, short], 2, CPU).inputs().items() if k != "labels"}).logits[1, :8]
    torch.testing.assert_close(alone, beside, rtol=1e-4, atol=1e-5)
