from __future__ import annotations

import re
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.made import NAN, NASTY, points
from tests.ui.views.test_markup import Reader
from training_pro.record.history import Event
from training_pro.record.points import Point, PointColumns
from training_pro.record.series import measured_event
from training_pro.ui.views.run_chart import ChartView, moving_mean, run_chart


def paths(html: str) -> dict[str, str]:
    return dict(re.findall(r'class="tp-line tp-(\w+)" d="([^"]*)"', html))


@given(st.lists(st.one_of(st.floats(-100, 100), st.just(NAN)), max_size=30), st.integers(1, 10))
def test_the_moving_mean_is_the_mean_of_the_last_ones(values: list[float], window: int) -> None:
    found = moving_mean(np.array(values), window)
    for end in range(1, len(values) + 1):
        last = [value for value in values[max(0, end - window) : end] if not np.isnan(value)]
        wanted = sum(last) / len(last) if last else NAN
        np.testing.assert_allclose(found[end - 1], wanted, atol=1e-9)


def test_before_the_first_update_a_sentence() -> None:
    assert "first update" in run_chart(points([]), [])


def test_losses_and_the_chosen_measure_are_drawn() -> None:
    history = points([3.0, 2.0, 1.0])
    assert set(paths(run_chart(history, []))) == {"raw", "loss", "rate"}
    assert set(paths(run_chart(history, [], ChartView("grad_norm")))) == {"raw", "loss", "norm"}
    assert set(paths(run_chart(history, [], ChartView("")))) == {"raw", "loss"}


def test_each_series_of_the_history_is_a_curve_with_its_name() -> None:
    html = run_chart(points([3.0, 2.5, 2.0]), [measured_event(NASTY, at, 2.8) for at in (0, 2)])
    assert "forget" in paths(html) and "img" not in Reader(html).tags and NASTY in Reader(html).words


def test_a_measure_that_was_not_made_is_left_out() -> None:
    assert "memory" not in paths(run_chart(points([3.0, 2.0], memory_mb=NAN), [], ChartView("memory_mb")))


def test_evaluations_are_a_line_with_dots() -> None:
    columns = PointColumns()
    for update in range(1, 11):
        columns.add(Point(update, loss=3.0, smoothed_loss=3.0, eval_loss=2.0 if update % 5 == 0 else None))
    html = run_chart(columns.snapshot(), [])
    assert html.count("tp-dot tp-eval") == 2
    assert "evaluation" in html


def test_checkpoints_stand_with_their_reason_and_the_stop_loss_as_a_level() -> None:
    html = run_chart(points([3.0, 2.0, 1.0]), [Event("checkpoint", 2, NASTY), Event("note", 2, "no")], stop_at_loss=1.5)
    assert "checkpoint-2: &lt;img" in html
    assert "stop at 1.5" in html
    assert "img" not in Reader(html).tags


def test_a_smoothing_of_ones_own() -> None:
    jagged = points([3.0, 1.0] * 20)
    own = paths(run_chart(jagged, [], ChartView(smoothing=2)))["loss"]
    heights = [float(height) for height in re.findall(r"[ML][\d.]+ ([\d.]+)", own)]
    assert max(heights[1:]) - min(heights[1:]) < 1


def test_a_log_scale_leaves_out_what_has_no_place() -> None:
    drawn = paths(run_chart(points([3.0, 0.0, 1.0]), [], ChartView(log=True)))
    assert drawn["raw"].count("M") == 2


def test_a_hundred_thousand_updates_cost_little_and_lose_no_spike() -> None:
    losses = list(np.linspace(4, 2, 100_000))
    losses[70_001] = 9.0
    history = points(losses)
    started = time.thread_time()
    html = run_chart(history, [], ChartView(smoothing=50))
    assert time.thread_time() - started < 0.5
    assert len(html) < 120_000
    heights = [float(height) for height in re.findall(r"[ML][\d.]+ ([\d.]+)", paths(html)["raw"])]
    assert min(heights) < 60
