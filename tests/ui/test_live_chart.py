"""The chart's numbers: few bytes at first, then what is new, and the same picture either way."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.ui.browser import chromium
from tests.ui.made import NAN, NASTY
from tests.ui.stand_ins import StandInHistory, StandInRun, StandInSession
from training_pro.folders import Folders
from training_pro.record.history import Event
from training_pro.record.points import Point, PointColumns
from training_pro.settings import Settings
from training_pro.ui.live import CHART_SCRIPT
from training_pro.ui.live_chart import MOST_POINTS, LiveChart, packed


class Chart:
    """A run with `columns`, as one page after the other asks for it."""

    def __init__(self, folders: Folders) -> None:
        self.session = StandInSession(folders)
        self.columns = PointColumns()
        self.events: tuple[Event, ...] = ()
        self.chart = LiveChart(self.session)
        self.session.run = StandInRun(folders, Settings(name="mine"), self.history())

    def history(self) -> Any:
        return StandInHistory(self.columns.snapshot(), self.events)

    def train(self, count: int, **more: Any) -> None:
        done = len(self.columns.snapshot())
        for update in range(done + 1, done + count + 1):
            loss = 4.0 - update / 1000
            self.columns.add(Point(update, update / 100, loss, loss + 0.1, 3e-4, 1.234, 250.0, 1.0, 5321.0, **more))
        self.session.run.history = self.history()

    def news(self, have: dict[str, Any] | None = None, smoothing: int = 0) -> dict[str, Any] | None:
        found = self.chart.news(have or {}, smoothing)
        return json.loads(json.dumps(found, allow_nan=False)) if found is not None else None


@pytest.fixture
def chart(folders: Folders) -> Chart:
    return Chart(folders)


def numbers(text: str) -> list[float]:
    raw = np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, 3)
    return np.hstack([np.zeros((len(raw), 1), np.uint8), raw]).view("<f4").ravel().tolist()


def has(news: dict[str, Any]) -> dict[str, Any]:
    last = sum(news["updates"])
    evaluation = news["evaluations"][-1][0] if news["evaluations"] else -1
    return {
        "key": news["key"],
        "update": last,
        "evaluation": evaluation,
        "marks": len(news["marks"]),
        "stop": news["stop"],
    }


def test_numbers_cross_to_two_parts_in_100_000() -> None:
    values = np.array([3.93124, 1e-9, 1.6e8, -2.5, 0.0, NAN, math.inf])
    np.testing.assert_allclose(numbers(packed(values) or ""), values, rtol=2e-5)
    assert packed(np.array([NAN, NAN])) is None


def test_a_first_look_at_400_points_is_small_and_the_next_one_is_what_is_new(chart: Chart) -> None:
    chart.train(399)
    chart.train(1, eval_loss=3.2)
    first = chart.news()
    assert first is not None and first["whole"] and len(first["updates"]) == 400
    assert len(json.dumps(first)) <= 12_000
    assert chart.news(has(first)) is None
    chart.train(2)
    new = chart.news(has(first))
    assert new is not None and not new["whole"] and new["updates"] == [401, 1]
    assert numbers(new["columns"]["loss"]) == pytest.approx([3.599, 3.598], rel=2e-5)
    assert len(json.dumps(new)) < 400


def test_a_long_run_costs_no_more(chart: Chart) -> None:
    chart.train(20_000, eval_loss=3.0)
    first = chart.news()
    assert first is not None and len(first["updates"]) <= MOST_POINTS and sum(first["updates"]) == 20_000
    assert len(json.dumps(first)) <= 14_000


def test_an_evaluation_that_comes_after_its_update_is_sent(chart: Chart) -> None:
    chart.train(3)
    first = chart.news()
    assert first is not None
    chart.columns.set_eval(3, 2.5)
    chart.session.run.history = chart.history()
    new = chart.news(has(first))
    assert new is not None and (new["updates"], new["evaluations"]) == ([], [[3, 2.5]])


def test_a_checkpoint_and_a_moved_stop_are_news(chart: Chart) -> None:
    chart.train(3)
    first = chart.news()
    assert first is not None
    chart.events = (Event("note", 1, "no"), Event("checkpoint", 2, "by button"))
    chart.session.run.history = chart.history()
    new = chart.news(has(first))
    assert new is not None and new["marks"] == [[2, "by button"]]
    chart.session.run.controls.set(stop_at_loss=1.5)
    new = chart.news({**has(first), "marks": 1})
    assert new is not None and new["stop"] == 1.5 and new["marks"] == []


def test_another_run_another_smoothing_or_a_cut_one_are_sent_whole(chart: Chart, folders: Folders) -> None:
    chart.train(5)
    first = chart.news()
    assert first is not None
    smoothed = chart.news(has(first), smoothing=3)
    assert smoothed is not None and smoothed["whole"]
    cut = chart.news({**has(first), "update": 9})
    assert cut is not None and cut["whole"]
    chart.session.run = StandInRun(folders, Settings(name="mine"), chart.history())
    other = chart.news(has(first))
    assert other is not None and other["whole"] and other["key"] != first["key"]
    chart.session.run = None
    assert chart.news(has(first)) == {"key": ""} and chart.news() is None


@pytest.mark.parametrize("have", [{"key": 5}, {"update": "x"}, {"marks": -1, "evaluation": []}])
def test_what_makes_no_sense_is_as_nothing(chart: Chart, have: dict[str, Any]) -> None:
    chart.train(2)
    news = chart.news(have)
    assert news is not None and news["updates"] == [1, 1]


def test_losses_that_are_no_numbers_cross(chart: Chart) -> None:
    chart.columns.add(Point(1, 0.1, math.inf, NAN, NAN, eval_loss=NAN))
    chart.session.run.history = chart.history()
    news = chart.news()
    assert news is not None and news["evaluations"] == [[1, None]] and news["columns"]["grad_norm"] is None


# -- the script, in a browser ---------------------------------------------------------------------------------------


@pytest.fixture
def drawing(tmp_path: Path) -> Iterator[Any]:
    html = '<div class="training-pro"><div data-slot="chart" style="width:600px;height:400px"></div></div>'
    css = (CHART_SCRIPT.parent / "tab.css").read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(f"<style>{css}</style>{html}", encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        page.evaluate(f"({CHART_SCRIPT.read_text(encoding='utf-8')})()")
        yield SimpleNamespace(page=page, show=lambda news: page.evaluate("(news) => trainingProChart.show(news)", news))


@pytest.mark.browser
def test_the_script_draws_what_it_is_sent_and_shows_the_values_under_the_pointer(drawing: Any, chart: Chart) -> None:
    page = drawing.page
    chart.train(10)
    chart.columns.set_eval(10, 3.1)
    chart.events = (Event("checkpoint", 5, NASTY),)
    chart.session.run.history = chart.history()
    chart.session.run.controls.set(stop_at_loss=3.991)
    drawing.show(chart.news())
    lines = page.locator("path.tp-line").evaluate_all("(all) => all.map((one) => one.className.baseVal)")
    assert lines == [f"tp-line tp-{name}" for name in ("raw", "loss", "eval", "rate")]
    assert page.locator(".tp-plot > .tp-mark").get_attribute("title") == f"checkpoint-5: {NASTY}"
    assert page.locator(".tp-level").inner_text() == "stop at 3.991" and page.locator("img").count() == 0
    page.locator(".tp-plot").hover(position={"x": 1, "y": 50})
    tip = page.locator(".tp-tip").inner_text()
    assert "Update 1 " in tip and "3.9990" in tip and "5.2 GB" in tip and "3.00e-4" in tip
    have = page.evaluate("() => trainingProChart.have()")
    assert (have["update"], have["evaluation"], have["marks"]) == (10, 10, 1)
    chart.train(5)
    drawing.show(chart.news(have))
    assert page.evaluate("() => trainingProChart.have().update") == 15
    assert page.locator(".tp-tip").inner_text() != "", "the tip stays under a pointer that rests"
    page.evaluate("() => trainingProChart.look({ measure: 'memory_mb', log: true })")
    assert page.locator("path.tp-memory").count() == 1
    drawing.show({"key": ""})
    assert page.locator("path").count() == 0
