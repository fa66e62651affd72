from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.record.points import COLUMNS, Point, PointColumns, Points, evenly, thin

LOSSES = st.lists(st.floats(-5, 5) | st.just(math.nan), max_size=200)


def points(losses: list[float]) -> Points:
    columns = PointColumns()
    for update, loss in enumerate(losses, start=1):
        columns.add(Point(update, loss=loss))
    return columns.snapshot()


def test_points_come_back_as_they_were_added() -> None:
    columns = PointColumns()
    first = Point(1, 0.1, 2.5, 2.4, 3e-4, 1.5, 800.0, 2.25, 512.0)
    second = Point(2, 0.2, 2.4, 2.3, 2e-4, 1.4, 810.0, 4.5, 513.0, eval_loss=2.6)
    columns.add(first)
    columns.add(second)
    found = columns.snapshot()
    assert list(found) == [first, second]
    assert found[-1] == second and list(found[:1]) == [first]
    assert found.column("loss").tolist() == [2.5, 2.4]
    assert list(found.evaluated()) == [second]


def test_a_snapshot_does_not_grow_and_can_not_be_written() -> None:
    columns = PointColumns()
    columns.add(Point(1, loss=1.0))
    before = columns.snapshot()
    for update in range(2, 2000):
        columns.add(Point(update, loss=2.0))
    assert len(before) == 1 and len(columns.snapshot()) == 1999
    assert before[0].loss == 1.0
    with pytest.raises(ValueError, match="read-only"):
        before.column("loss")[0] = 5.0


def test_memory_is_bounded_per_update() -> None:
    columns = PointColumns()
    for update in range(1, 5001):
        columns.add(Point(update))
    assert columns._rows.nbytes <= 2 * 5000 * 8 * (len(COLUMNS) + 1)


def test_an_evaluation_comes_after_its_update_or_before_the_first() -> None:
    columns = PointColumns()
    columns.set_eval(0, 3.0)
    columns.add(Point(1, loss=2.0))
    columns.set_eval(1, math.nan)
    before, after = columns.snapshot()
    assert before.update == 0 and before.eval_loss == 3.0 and math.isnan(before.loss)
    assert after.loss == 2.0 and after.eval_loss is not None and math.isnan(after.eval_loss)


@given(LOSSES, st.integers(4, 40))
def test_thinned_curves_keep_ends_order_and_every_spike(losses: list[float], most: int) -> None:
    every = points(losses)
    kept = thin(every, most)
    updates = [point.update for point in kept]
    assert updates == sorted(set(updates))
    assert len(kept) <= most or len(every) <= most
    if not losses:
        return
    assert updates[0] == 1 and updates[-1] == len(losses)
    if not all(map(math.isnan, losses)):
        assert np.nanmin([p.loss for p in kept]) == np.nanmin(losses)
        assert np.nanmax([p.loss for p in kept]) == np.nanmax(losses)


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_thinning_to_almost_nothing(most: int) -> None:
    assert len(thin(points([1.0, 2.0, 3.0, 4.0]), most)) == min(most, 2)


def test_thinning_by_another_column() -> None:
    columns = PointColumns()
    for update in range(1, 1001):
        columns.add(Point(update, loss=1.0, grad_norm=9.0 if update == 500 else 1.0))
    assert 500 in [point.update for point in thin(columns.snapshot(), 20, by="grad_norm")]


@given(st.lists(st.integers(), max_size=100), st.integers(2, 30))
def test_spread_keeps_order_and_ends(items: list[int], most: int) -> None:
    kept = evenly(list(enumerate(items)), most)
    assert kept == sorted(set(kept)) and len(kept) == min(most, len(items))
    assert not items or (kept[0][0], kept[-1][0]) == (0, len(items) - 1)
