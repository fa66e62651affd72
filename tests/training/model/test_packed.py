"""transformers' search for packed sequences is asked once a run, by the run's own thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from transformers import masking_utils

from training_pro.training.model.packed import packed_asked_once

ROWS = torch.arange(6)[None].repeat(2, 1)
PACKED = torch.tensor([[0, 1, 2, 0, 1, 2]])


def search(positions: torch.Tensor) -> Any:
    return masking_utils.find_packed_sequence_indices(positions)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time transformers itself searches."""
    found: list[int] = []
    own = masking_utils.find_packed_sequence_indices

    def counting(positions: torch.Tensor) -> Any:
        found.append(len(positions))
        return own(positions)

    monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", counting)
    return found


def test_rows_that_are_not_packed_are_searched_once(asked: list[int]) -> None:
    before = masking_utils.find_packed_sequence_indices
    with packed_asked_once():
        assert [search(ROWS) for _ in range(3)] == [None] * 3
    assert len(asked) == 1 and masking_utils.find_packed_sequence_indices is before


def test_packed_rows_are_found_each_time(asked: list[int]) -> None:
    with packed_asked_once():
        for _ in range(2):
            assert search(PACKED).tolist() == [[0, 0, 0, 1, 1, 1]]
    assert len(asked) == 2


def test_other_threads_are_answered_as_ever(asked: list[int]) -> None:
    answers: list[Any] = []
    with packed_asked_once():
        search(ROWS)
        thread = threading.Thread(target=lambda: answers.append(search(PACKED)))
        thread.start()
        thread.join()
    assert answers[0] is not None


def test_a_transformers_without_that_search_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(masking_utils, "find_packed_sequence_indices")
    with packed_asked_once():
        assert not hasattr(masking_utils, "find_packed_sequence_indices")
