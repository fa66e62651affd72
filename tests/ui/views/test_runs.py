from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.record.adapters import make_adapter
from tests.ui.made import NASTY, points
from tests.ui.views.test_markup import Reader
from training_pro.record.history import Event, HistoryData
from training_pro.record.runs import RunRecord, RunSummary
from training_pro.settings import Settings, to_dict
from training_pro.ui.views.runs import comparison, run_in_full, runs_table, shown_settings, when


def record(name: str, losses: list[float], **settings: object) -> RunRecord:
    events = (Event("sample", 1, "", {"prompt": NASTY, "answer": NASTY}),)
    summary = RunSummary(name, Path("/loras") / name, origin="ours", state="finished", sparkline=tuple(losses))
    return RunRecord(summary, to_dict(Settings(**settings)), {}, HistoryData(points(losses), events), "")


def test_an_empty_list_says_so() -> None:
    assert "no LoRA yet" in runs_table([])


def test_a_line_a_run_with_its_curve_and_its_fault() -> None:
    runs = [record("a", [3.0, 2.0]).summary, RunSummary("b", Path("b"), fault="It is broken.")]
    html = runs_table(runs)
    assert html.count("<tr") == 4 and html.count("data-run=") == 2
    assert html.count("tp-spark") == 1
    assert "It is broken." in html


def test_a_loss_that_rose_is_marked_and_what_can_be_done_is_said(tmp_path: Path) -> None:
    rose = RunSummary("a", tmp_path, "ours", "failed", sparkline=(2.0, 9.0), last_loss=9.0, tags=("#hot",))
    html = runs_table([rose])
    assert "tp-bad" in html and "tp-red" in html and "#hot" in html
    assert 'data-can=""' in html, "no LoRA, no checkpoint, no settings: nothing to use, export or copy"
    usable = RunSummary("b", make_adapter(tmp_path / "b"), data="tales.txt", rank=8)
    assert 'data-can="use export ask measure copy"' in runs_table([usable])


def test_times_are_said_as_people_say_them() -> None:
    now = datetime.now(timezone.utc)
    assert when(now.isoformat()).startswith("today")
    assert when((now - timedelta(days=1)).isoformat()).startswith("yesterday")
    assert when("2020-03-04T10:00:00+00:00").startswith("2020-03-0")
    assert when("garbage") == "garbage" and when("") == "–"


@pytest.mark.parametrize(("over", "last"), [("update", "3"), ("epoch", "0.3"), ("minutes", "0.05")])
def test_curves_are_drawn_over_updates_epochs_or_time(over: str, last: str) -> None:
    html = comparison([record("a", [3.0, 2.0, 1.0]), record("b", [3.0, 2.5, 2.0])], over)
    assert f"{over.capitalize()} {last}" in Reader(html).words


def test_the_last_answers_of_compared_runs_stand_side_by_side() -> None:
    html = comparison([record("a", [3.0, 2.0]), record("b", [3.0, 1.0])])
    assert html.count("tp-frame") == 2 and html.count("<h4>") == 1


def test_settings_that_differ_are_shown_and_no_others() -> None:
    html = run_in_full(record("a", [3.0, 2.0], rank=7))
    assert "LoRA Rank" in html and "LoRA Alpha" not in html


def test_runs_are_compared_by_what_differs() -> None:
    html = comparison([record("a", [3.0, 2.0], rank=7), record("b", [3.0, 1.0, 1.0], rank=8)])
    assert "tp-c0" in html and "tp-c1" in html
    assert "LoRA Rank" in html and "LoRA Alpha" not in html


def test_settings_are_written_as_on_the_page() -> None:
    runs = [record("a", [3.0], alpha=0, learning_rate=3e-4), record("b", [3.0], alpha=32, learning_rate=1e-5)]
    words = Reader(comparison(runs)).words
    assert all(one in words for one in ("auto", "32", "3e-4", "1e-5")) and "0.0003" not in words


def test_runs_without_a_curve_are_compared_too() -> None:
    assert "None of these runs has a curve" in comparison([record("a", []), record("b", [], rank=9)])


def test_settings_of_other_trainers_are_understood() -> None:
    foreign = RunRecord(
        record("a", []).summary, {"lora_rank": 16, "micro_batch_size": 2}, {}, HistoryData(points([])), ""
    )
    assert shown_settings(foreign)["rank"] == 16
    broken = RunRecord(foreign.summary, {"rank": "high"}, {}, foreign.history, "")
    assert shown_settings(broken) == {}


def test_nothing_from_outside_becomes_markup() -> None:
    nasty = RunSummary(NASTY, Path(NASTY), origin="other", reason=NASTY, created=NASTY, base_model=NASTY, fault=NASTY)
    seen = RunRecord(nasty, {NASTY: NASTY, "text_file": NASTY}, {}, record("a", [2.0, 1.0]).history, "")
    for html in (runs_table([nasty]), run_in_full(seen), comparison([seen, record("b", [1.0, 2.0])])):
        assert "img" not in Reader(html).tags
