from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from training_pro.ui.views.axis import Axis, axis_for, tick_text

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(numbers, min_size=1, max_size=20), st.booleans())
def test_every_number_has_room(values: list[float], from_zero: bool) -> None:
    shares = axis_for([np.array(values)], from_zero=from_zero).shares(np.array(values))
    assert ((shares >= -1e-9) & (shares <= 1 + 1e-9)).all()


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=20))
def test_every_positive_number_has_room_on_a_log_axis(values: list[float]) -> None:
    shares = axis_for([np.array(values)], log=True).shares(np.array(values))
    assert ((shares >= 0) & (shares <= 1)).all()


@given(numbers, st.floats(1e-6, 1e6))
def test_ticks_are_few_in_order_and_on_the_axis(low: float, size: float) -> None:
    assume(low + size > low + 1e-9 * abs(low))
    axis = Axis(low, low + size)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    assert ticks == sorted(ticks)
    assert all(-1e-6 <= axis.share(tick) <= 1 + 1e-6 for tick in ticks)


def test_numbers_that_are_none_do_not_count() -> None:
    axis = axis_for([np.array([math.nan, math.inf, 2.0, 4.0])])
    assert axis == Axis(1.9, 4.1)
    assert axis_for([np.array([math.nan])]) == axis_for([]) == Axis(0.0, 1.0)


def test_what_has_no_place_on_a_log_axis_is_nan() -> None:
    assert np.isnan(Axis(0.1, 10.0, log=True).shares(np.array([0.0, -1.0, math.nan]))).all()


def test_equal_steps_of_a_factor_are_equal_on_a_log_axis() -> None:
    shares = Axis(1.0, 100.0, log=True).shares(np.array([1.0, 10.0, 100.0]))
    assert shares.tolist() == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0"), (0.25, "0.25"), (3e-4, "3e-4"), (12_000, "12k"), (5, "5")])
def test_ticks_as_they_are_written(value: float, shown: str) -> None:
    assert tick_text(value) == shown
