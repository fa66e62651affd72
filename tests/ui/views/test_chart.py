from __future__ import annotations

import re
import time

import numpy as np

from tests.ui.made import NAN, NASTY
from tests.ui.views.test_markup import Reader
from training_pro.ui.views.axis import Axis
from training_pro.ui.views.chart import Chart, Curve, Mark, Tip, draw, sparkline


def chart(y: list[float], **more: object) -> Chart:
    axis = Axis(0.0, 10.0)
    curve = Curve("loss", "loss", np.arange(len(y), dtype=float), np.array(y), axis)
    return Chart(x=Axis(0.0, float(max(len(y) - 1, 1))), left=axis, curves=[curve], **more)


def path(html: str) -> str:
    return re.findall(r'class="tp-line tp-loss" d="([^"]*)"', html)[0]


def test_a_line_goes_through_its_points() -> None:
    assert path(draw(chart([0.0, 5.0, 10.0]))) == "M0.0 1000.0L500.0 500.0L1000.0 0.0"


def test_a_missing_number_is_a_gap() -> None:
    assert path(draw(chart([0.0, 5.0, NAN, 10.0, NAN]))).count("M") == 2
    assert path(draw(chart([NAN, NAN]))) == ""


def test_names_and_titles_from_outside_stay_text() -> None:
    drawn = chart(
        [1.0, 2.0],
        marks=[Mark(1.0, NASTY, 1.0)],
        tips=[Tip(1.0, NASTY, (("loss", NASTY, NASTY),))],
        levels=[(5.0, NASTY)],
        left_name=NASTY,
        x_name=NASTY,
    )
    named = Chart(**{**vars(drawn), "curves": [Curve(NASTY, "loss", *(np.ones(2),) * 2, drawn.left)]})
    html = draw(named)
    assert "img" not in Reader(html).tags
    assert html.count("&lt;img") == 8


def test_strips_lie_side_by_side_over_the_whole_width() -> None:
    tips = [Tip(x, str(x), ()) for x in (0.0, 1.0, 4.0)]
    html = draw(chart([1.0] * 5, tips=tips))
    strips = re.findall(r'tp-hit" style="left:([\d.]+)%;width:([\d.]+)%', html)
    ends = [(float(left), float(left) + float(width)) for left, width in strips]
    assert ends == [(0.0, 12.5), (12.5, 62.5), (62.5, 100.0)]


def test_a_level_off_the_axis_is_not_drawn() -> None:
    assert "stop at" in draw(chart([1.0, 2.0], levels=[(5.0, "stop at 5")]))
    assert "stop at" not in draw(chart([1.0, 2.0], levels=[(11.0, "stop at 11")]))


def test_a_mark_off_the_axis_stays_on_the_picture() -> None:
    assert "top:0.0%" in draw(chart([1.0, 2.0], marks=[Mark(1.0, "high", 99.0)]))
    assert "top:100.0%" in draw(chart([1.0, 2.0], marks=[Mark(1.0, "none", NAN)]))


def test_sparklines_need_two_numbers() -> None:
    assert sparkline([]) == sparkline([1.0]) == sparkline([NAN, 1.0]) == ""
    assert "M0.0 1000.0L1000.0 0.0" in sparkline([1.0, 2.0])
    assert "M0.0 1000.0" in sparkline([1.0, 1.0])


def test_drawing_is_quick() -> None:
    made = chart(list(np.linspace(0, 10, 400)), tips=[Tip(float(x), "", ()) for x in range(0, 400, 4)])
    started = time.process_time()
    for _ in range(10):
        draw(made)
    assert (time.process_time() - started) / 10 < 0.1
