"""The largest size is found with few questions, and no size is tried that is to be feared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training_pro.training.memory.largest_batch import largest_by_extrapolating, largest_by_trying


@given(st.integers(0, 1500), st.integers(1, 1024))
def test_trying_finds_the_largest(limit: int, most: int) -> None:
    asked: list[int] = []

    def fits(size: int) -> bool:
        asked.append(size)
        return size <= limit

    assert largest_by_trying(fits, most) == min(limit, most)
    assert all(1 <= size <= most for size in asked)
    assert len(asked) <= 2 * 11


@given(st.integers(0, 2000), st.integers(1, 500), st.integers(0, 50_000), st.integers(1, 1024))
def test_extrapolating_stays_within_the_limit(once: int, each: int, limit: int, most: int) -> None:
    """Memory that is a line in the size is found exactly, and no trial passes the limit."""
    tried: list[int] = []

    def taken(size: int) -> int:
        tried.append(size)
        return once + each * size

    found = largest_by_extrapolating(taken, once + each, limit, most)
    assert all(once + each * size <= limit for size in tried)
    assert once + each * found <= limit or found == 0
    if once + each > limit:
        assert found == 0 and not tried
    elif len(tried) > 1:
        assert found == min(most, (limit - once) // each)
    else:  # too near to the limit for a second trial, or the data has no more
        assert found >= 1


def test_memory_that_grows_faster_is_not_underestimated() -> None:
    peaks = {1: 100, 2: 210, 4: 450}
    found = largest_by_extrapolating(peaks.__getitem__, 100, 1000, 64)
    assert found == 4 + (1000 - 450) // 120


def test_one_that_takes_more_than_was_expected_of_it() -> None:
    assert largest_by_extrapolating(lambda size: 900 * size, 100, 500, 64) == 0


def test_memory_that_does_not_grow_is_taken_to_grow_a_little() -> None:
    assert largest_by_extrapolating(lambda size: 100, 100, 1000, 64) == 64
