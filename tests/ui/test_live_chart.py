"""The chart's numbers: few bytes at first, then what is new, and the same picture either way."""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.ui.browser import WAIT_MS, chromium
from tests.ui.made import NAN, NASTY
from tests.ui.stand_ins import StandInHistory, StandInRun, StandInSession
from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.record.history import Event
from training_pro.record.points import Point, PointColumns
from training_pro.record.series import measured_event
from training_pro.settings import Settings
from training_pro.ui.live import CHART_SCRIPTS
from training_pro.ui.live_chart import MOST_POINTS, LiveChart, packed
from training_pro.ui.standalone import ASSETS


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
    """What a page says that shows this answer and nothing else."""
    return {
        "key": news["key"],
        "update": sum(news["updates"]),
        "series": {name: points[-1][0] for name, points in news["series"].items()},
        "marks": news["marked"],
        "stop": news["stop"],
        "total": news["total"],
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
    assert new is not None and (new["updates"], new["series"]) == ([], {"evaluation": [[3, 2.5]]})


def test_a_checkpoint_and_a_moved_stop_are_news(chart: Chart) -> None:
    chart.train(3)
    first = chart.news()
    assert first is not None
    chart.events = (Event("note", 1, "no"), Event("checkpoint", 2, "by button"))
    chart.session.run.history = chart.history()
    new = chart.news(has(first))
    assert new is not None and new["marks"] == [[2, "checkpoint", "by button"]]
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


@pytest.mark.parametrize(
    "have",
    [
        {"key": 5},
        {"update": "x"},
        {"marks": -1, "series": []},
        {"zoom": [5, 1]},
        {"zoom": "all"},
        {"zoom": [0, math.inf]},
    ],
)
def test_what_makes_no_sense_is_as_nothing(chart: Chart, have: dict[str, Any]) -> None:
    chart.train(2)
    news = chart.news(have)
    assert news is not None and news["updates"] == [1, 1]


def test_losses_that_are_no_numbers_cross(chart: Chart) -> None:
    chart.columns.add(Point(1, 0.1, math.inf, NAN, NAN, eval_loss=NAN))
    chart.session.run.history = chart.history()
    news = chart.news()
    assert news is not None and news["series"] == {"evaluation": [[1, None]]} and news["columns"]["grad_norm"] is None


def test_samples_are_marked_once_an_update_and_many_marks_are_sent_once(chart: Chart) -> None:
    chart.train(2)
    chart.events = tuple(Event("sample", at, "", {"prompt": str(n)}) for at in (0, 2) for n in range(3))
    chart.session.run.history = chart.history()
    first = chart.news()
    assert first is not None and first["marks"] == [[0, "sample", ""], [2, "sample", ""]]
    chart.events += tuple(Event("checkpoint", 2, str(n)) for n in range(200))
    chart.session.run.history = chart.history()
    many = chart.news()
    assert many is not None and len(many["marks"]) < many["marked"] == 202
    assert chart.news(has(many)) is None


def test_every_series_is_sent_by_its_name_and_later_only_what_is_new(chart: Chart) -> None:
    chart.train(4)
    chart.events = (measured_event("General text", 0, 2.5), measured_event(NASTY, 2, 3.0))
    chart.session.run.history = chart.history()
    first = chart.news()
    assert first is not None and first["series"] == {"General text": [[0, 2.5]], NASTY: [[2, 3.0]]}
    assert chart.news(has(first)) is None
    chart.events += tuple(measured_event("General text", at, 2.6) for at in (3, 4))
    chart.session.run.history = chart.history()
    new = chart.news(has(first))
    assert new is not None and new["series"] == {"General text": [[3, 2.6], [4, 2.6]]}
    chart.events += tuple(measured_event("Other", at, 2.6) for at in range(1, 5000))
    chart.session.run.history = chart.history()
    many = chart.news()
    assert many is not None and len(many["series"]["Other"]) <= MOST_POINTS


def test_the_planned_end_is_sent_while_the_run_trains_and_no_longer_when_it_has_ended(
    chart: Chart, folders: Folders
) -> None:
    chart.train(5)
    chart.session.run = StandInRun(folders, Settings(name="mine"), chart.history(), plan=make_plan(40, 4, 1, 3.0))
    first = chart.news()
    assert first is not None and (first["total"], first["last"]) == (30, 5)
    assert chart.news(has(first)) is None
    chart.session.run.status = replace(chart.session.run.status, phase="ended")
    ended = chart.news(has(first))
    assert ended is not None and ended["total"] == 0 and not ended["updates"]


def test_a_page_that_has_zoomed_in_gets_every_update_of_that_part(chart: Chart) -> None:
    chart.train(20_000)
    zoomed = chart.news({"zoom": [10_000, 10_099]})
    assert zoomed is not None and zoomed["last"] == 20_000
    assert np.cumsum(zoomed["updates"]).tolist() == list(range(9_999, 10_101))
    chart.train(5)
    assert chart.news({**has(zoomed), "zoom": [10_000, 10_099]}) is None
    whole = chart.news(has(zoomed))
    assert whole is not None and whole["whole"] and sum(whole["updates"]) == 20_005


# -- the script, in a browser ---------------------------------------------------------------------------------------

SLIDER = (
    '<div id="tp-live-loss"><input type="number" value="0" oninput="sent.push(value)"></div>'
    "<script>var sent = []</script>"
)


@pytest.fixture
def drawing(tmp_path: Path) -> Iterator[Any]:
    html = f'<div class="training-pro"><div data-slot="chart" style="width:600px"></div>{SLIDER}</div>'
    css = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("tab.css", "page.css", "chart.css"))
    (tmp_path / "page.html").write_text(f"<meta charset=utf-8><style>{css}</style>{html}", encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((tmp_path / "page.html").as_uri())
        for script in CHART_SCRIPTS:
            page.evaluate(f"({script.read_text(encoding='utf-8')})()")
        yield SimpleNamespace(page=page, show=lambda news: page.evaluate("(news) => trainingProChart.show(news)", news))
        assert wrong == []


@pytest.fixture
def shown(drawing: Any, chart: Chart, folders: Folders) -> Any:
    """A run of 10 of 30 updates on the page; its loss falls from 3.999 to 3.990."""
    chart.train(10)
    chart.columns.set_eval(10, 3.1)
    chart.events = (Event("sample", 4), Event("checkpoint", 5, NASTY), measured_event("General text", 5, 3.2))
    chart.session.run = StandInRun(folders, Settings(name="mine"), chart.history(), plan=make_plan(40, 4, 1, 3.0))
    drawing.show(chart.news())
    return drawing


@pytest.mark.browser
def test_the_script_draws_what_it_is_sent_and_shows_the_values_under_the_pointer(shown: Any, chart: Chart) -> None:
    page = shown.page
    lines = page.locator("path.tp-line").evaluate_all("(all) => all.map((one) => one.className.baseVal)")
    assert lines == [f"tp-line tp-{name}" for name in ("rate", "raw", "loss", "eval", "forget")]
    assert page.locator(".tp-drawn > .tp-mark-checkpoint").get_attribute("title") == f"checkpoint-5: {NASTY}"
    assert page.locator("img").count() == 0
    names = page.locator(".tp-legend").inner_text()
    assert all(name in names for name in ("smoothed", "evaluation", "General text", "checkpoint", "sample"))
    page.locator(".tp-hits").hover(position={"x": 1, "y": 50})
    tip = page.locator(".tp-tip")
    assert "Update 1 " in tip.inner_text() and "3.9990" in tip.inner_text() and "5.2 GB" in tip.inner_text()
    page.locator(".tp-hits").hover(position={"x": page.locator(".tp-hits").bounding_box()["width"] / 6, "y": 50})
    assert "Update 5 " in tip.inner_text() and NASTY in tip.inner_text() and "3.2000" in tip.inner_text()
    have = page.evaluate("() => trainingProChart.have()")
    assert (have["update"], have["series"], have["marks"]) == (10, {"evaluation": 10, "General text": 5}, 2)
    chart.train(5)
    shown.show(chart.news(have))
    assert page.evaluate("() => trainingProChart.have().update") == 15
    assert tip.inner_text() != "", "the tip stays under a pointer that rests"
    page.locator("select").select_option("memory_mb")
    page.locator('[data-view="log"]').check()
    assert page.locator("path.tp-memory").count() == 1 and page.evaluate("() => trainingProChart.view.log")
    shown.show({"key": ""})
    assert page.locator("path").count() == 0


@pytest.mark.browser
def test_the_chart_reaches_to_the_planned_end_and_is_zoomed_by_dragging_over_it(shown: Any) -> None:
    page, box = shown.page, shown.page.locator(".tp-hits").bounding_box()
    seen = "() => { const { low, high } = trainingProChart.frame().x; return [low, high]; }"
    assert page.evaluate(seen) == [0, 30]
    ahead = page.locator(".tp-ahead").bounding_box()
    assert ahead["x"] - box["x"] == pytest.approx(box["width"] / 3, abs=2)
    page.mouse.move(box["x"] + box["width"] / 10, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 30, steps=3)
    page.mouse.up()
    assert page.evaluate(seen) == [3, 10]
    assert page.evaluate("() => trainingProChart.have().zoom") == [3, 10]
    page.locator(".tp-hits").dblclick(position={"x": 50, "y": 20})
    assert page.evaluate(seen) == [0, 30]
    page.locator(".tp-hits").focus()
    page.keyboard.press("End")
    assert "Update 10 " in page.locator(".tp-hits").get_attribute("aria-valuetext")
    page.keyboard.press("+")
    assert page.evaluate(seen) != [0, 30] and page.get_by_role("button", name="Whole run").is_visible()
    page.get_by_role("button", name="Whole run").click()
    assert page.evaluate(seen) == [0, 30]


@pytest.mark.browser
def test_the_stop_line_is_dragged_to_where_it_is_let_go_and_only_then_set(shown: Any, chart: Chart) -> None:
    page, box = shown.page, shown.page.locator(".tp-hits").bounding_box()
    line = page.locator(".tp-level")
    assert "off" in line.inner_text()
    grip = line.locator("span").bounding_box()
    page.mouse.move(grip["x"] + 30, grip["y"] + 12)
    page.mouse.down()
    page.mouse.move(grip["x"] + 30, box["y"] + 10, steps=4)
    assert "ends the run now" in line.inner_text() and page.evaluate("() => sent") == []
    page.keyboard.press("Escape")
    page.mouse.up()
    assert "off" in line.inner_text() and page.evaluate("() => sent") == [], "Escape leaves it as it was"
    page.mouse.move(grip["x"] + 30, grip["y"] + 12)
    page.mouse.down()
    page.mouse.move(grip["x"] + 30, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    (sent,) = page.evaluate("() => sent")
    assert 3.1 < float(sent) < 3.99 and f"Stop at {float(sent):.2f}" in line.inner_text()
    line.focus()
    page.keyboard.press("ArrowDown")
    assert float(page.evaluate("() => sent.at(-1)")) == pytest.approx(float(sent) - 0.01)
    assert float(line.get_attribute("aria-valuenow")) == pytest.approx(float(sent) - 0.01)
    page.keyboard.press("Home")
    assert page.evaluate("() => sent.at(-1)") == "0"


@pytest.mark.browser
def test_a_stop_loss_below_all_losses_is_in_sight_and_can_not_be_moved_where_there_is_no_slider(
    shown: Any, chart: Chart
) -> None:
    page = shown.page
    page.evaluate("() => document.querySelector('#tp-live-loss').remove()")
    chart.session.run.controls.set(stop_at_loss=1.5)
    shown.show(chart.news())
    assert "Stop at 1.50" in page.locator(".tp-level").inner_text()
    line, box = page.locator(".tp-level").bounding_box(), page.locator(".tp-hits").bounding_box()
    assert box["y"] < line["y"] < box["y"] + box["height"]
    assert page.locator(".tp-level.tp-movable").count() == 0


@pytest.mark.browser
def test_the_stop_line_of_a_run_that_has_ended_is_shown_and_can_not_be_moved(shown: Any, chart: Chart) -> None:
    run = chart.session.run
    run.controls.set(stop_at_loss=3.5)
    shown.show(chart.news())
    assert shown.page.locator(".tp-level.tp-movable").count() == 1
    run.status = replace(run.status, phase="ended")
    shown.show(chart.news())
    assert "Stop at 3.50" in shown.page.locator(".tp-level").inner_text()
    assert shown.page.locator(".tp-level.tp-movable").count() == 0
    run.controls.set(stop_at_loss=0)
    shown.show(chart.news())
    assert not shown.page.locator(".tp-level").is_visible()


@pytest.mark.browser
def test_the_chart_is_saved_as_a_picture_and_as_a_table(shown: Any, chart: Chart) -> None:
    shown.page.evaluate("(table) => { window.trainingProLive = { table: async () => table }; }", chart.chart.table())
    with shown.page.expect_download() as table:
        shown.page.get_by_role("button", name="CSV").click()
    assert Path(table.value.path()).read_text(encoding="utf-8") == chart.chart.table()
    with shown.page.expect_download() as picture:
        shown.page.get_by_role("button", name="PNG").click()
    assert Path(picture.value.path()).read_bytes().startswith(b"\x89PNG")


def test_the_table_has_every_update_however_long_the_run_is(chart: Chart) -> None:
    chart.train(5 * MOST_POINTS)
    chart.columns.set_eval(10, 3.1)
    chart.events = (measured_event("General, text", 0, 3.3), measured_event("General, text", 5, 3.2))
    chart.session.run.history = chart.history()
    rows = list(csv.DictReader(chart.chart.table().splitlines()))
    assert [int(row["update"]) for row in rows] == list(range(5 * MOST_POINTS + 1))
    assert (rows[0]["loss"], rows[0]["General, text"]) == ("", "3.3")
    assert (rows[5]["loss"], rows[5]["General, text"]) == ("3.995", "3.2")
    assert (rows[10]["eval_loss"], rows[10]["General, text"]) == ("3.1", "")
    chart.session.run = None
    assert chart.chart.table() == ""
