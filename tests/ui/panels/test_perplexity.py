from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.record.adapters import make_adapter
from tests.record.test_perplexity_table import line
from tests.ui.made import NASTY
from tests.ui.stand_ins import StandInSession, drawn, press, pulled
from tests.ui.views.test_markup import Reader
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.perplexity import WITHOUT, Measuring, MeasuringStatus
from training_pro.record.perplexity_table import PerplexityTable
from training_pro.ui.panels.perplexity import WITHOUT_A_LORA, Perplexity
from training_pro.ui.views.perplexity import line_label, measuring_status, perplexity_table


class Measures(StandInSession):
    """A session that takes down what is to be measured."""

    asked: Measuring | None = None

    def measure(self, measuring: Measuring) -> Any:
        self.asked = measuring
        self.ended: list[bool] = []
        self.measuring = SimpleNamespace(status=MeasuringStatus("a.txt"), interrupt=lambda: self.ended.append(True))
        return self.measuring


class Panel:
    """The panel on a page of its own, with three figures in the table."""

    def __init__(self, folders: Folders) -> None:
        self.session = Measures(folders)
        self.table = PerplexityTable(folders)
        self.lines = [line(), line(lora="", comment="old"), line(perplexity=3.5)]
        for one in self.lines:
            self.table.add(one)
        with gr.Blocks() as self.blocks:
            self.panel = Perplexity(self.session, editable=True)
            self.panel.build()
            self.panel.connect()

    def measure(self, *given: Any) -> dict[Any, Any]:
        return press(self.blocks, self.panel.measure, *given)


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_what_is_chosen_is_what_is_measured(panel: Panel) -> None:
    updates = panel.measure("a.txt", ["other"], [WITHOUT_A_LORA, "sea"], 512, 128, False)
    assert panel.session.asked == Measuring("a.txt", ("other",), (WITHOUT, "sea"), 512, 128, False)
    assert updates[panel.panel.interrupt]["interactive"] is True
    panel.measure("a.txt", None, [], 512.0, 128.0, True)
    assert panel.session.asked == Measuring("a.txt", (), (), 512, 128, True)


def test_missing_numbers_and_refusals_are_sentences(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "need a number" in panel.measure("a.txt", [], [], None, 128, True)[panel.panel.said]

    def refuse(_: object) -> None:
        raise RunError("A run is going.")

    monkeypatch.setattr(panel.session, "measure", refuse)
    assert "A run is going." in panel.measure("a.txt", [], [], 512, 128, True)[panel.panel.said]


def test_an_interrupt_reaches_the_measuring(panel: Panel) -> None:
    assert "Nothing is being measured" in press(panel.blocks, panel.panel.interrupt)[panel.panel.said]
    panel.measure("a.txt", [], [], 512, 128, True)
    press(panel.blocks, panel.panel.interrupt)
    assert panel.session.ended == [True]


def test_status_and_table_are_others_when_they_have_changed(panel: Panel) -> None:
    shown = panel.panel
    table = drawn(shown, "perplexity-table")
    assert Reader(table).tags.count("tr") == 4
    lines = pulled(shown, "measurements")[shown.line]["choices"]
    assert [choice[1] for choice in lines] == [one.id for one in panel.lines[::-1]]
    stamps = {one.name: one.stamp() for one in shown.shown}
    assert {one.name: one.stamp() for one in shown.shown} == stamps
    panel.measure("a.txt", [], [], 512, 128, True)
    panel.table.add(line(comment="from the command line"))
    assert all(one.stamp() != stamps[one.name] for one in shown.shown)
    assert "from the command line" in drawn(shown, "perplexity-table")
    assert pulled(shown, "measuring")[shown.interrupt]["interactive"]


def test_a_comment_is_shown_kept_and_in_the_table(panel: Panel) -> None:
    shown, old = panel.panel, panel.lines[1].id
    assert press(panel.blocks, shown.line, old, event="input")[shown.comment] == "old"
    press(panel.blocks, shown.keep, old, "new words")
    assert "new words" in drawn(shown, "perplexity-table")
    assert "new words" in {one.comment for one in panel.table.read()[0]}
    assert "No measurement is chosen" in press(panel.blocks, shown.keep, None, "x")[shown.said]


def test_a_line_is_taken_out(panel: Panel) -> None:
    shown = panel.panel
    updates = press(panel.blocks, shown.remove, panel.lines[0].id)
    assert updates[shown.line]["value"] is None and updates[shown.comment] == ""
    assert len(panel.table.read()[0]) == 2
    assert "no longer exists" in press(panel.blocks, shown.remove, panel.lines[0].id)[shown.said]


def test_a_bad_table_is_told_of_and_left(panel: Panel) -> None:
    panel.table.path.write_bytes(b"\xff")
    assert "is not a valid table" in Reader(drawn(panel.panel, "perplexity-table")).words
    assert panel.table.path.read_bytes() == b"\xff", "whoever only looks leaves it where it is"


def test_lists_are_those_of_now(panel: Panel, folders: Folders) -> None:
    (folders.datasets / "b.txt").write_text("b")
    make_adapter(folders.loras / "sea")
    updates = press(panel.blocks, panel.panel.refresh)
    assert updates[panel.panel.text]["choices"] == ["b.txt"]
    assert updates[panel.panel.models]["choices"] == ["other", "tiny"]
    assert updates[panel.panel.loras]["choices"] == [WITHOUT_A_LORA, "sea"]


def test_how_far_it_is_and_what_came_out() -> None:
    assert measuring_status(None) == ""
    going = MeasuringStatus("a.txt", progress=(30, 120, "tiny with sea"), done=(line(lora=""),))
    words = Reader(measuring_status(going)).words
    assert "25 %" in words and "tiny with sea" in words and "12.250 on moby.txt" in words
    ended = MeasuringStatus("a.txt", running=False, faults=("It went wrong.",), notes=("Smaller.",))
    shown = measuring_status(ended)
    assert "tp-error" in shown and "tp-info" in shown and "tp-bar" not in shown


def test_nothing_from_outside_becomes_markup() -> None:
    nasty = line(model=NASTY, lora=NASTY, text=NASTY, comment=NASTY, quantization=NASTY, date=NASTY)
    status = MeasuringStatus(NASTY, progress=(1, 2, NASTY), done=(nasty,), faults=(NASTY,), notes=(NASTY,))
    for html in (perplexity_table([nasty]), measuring_status(status)):
        assert "img" not in Reader(html).tags


def test_an_empty_table_says_so() -> None:
    assert "No perplexity has been measured yet" in perplexity_table([])


def test_a_line_in_a_list_says_what_it_is() -> None:
    assert line_label(line(date="2026-11-24T03:00:00+00:00")) == "2026-11-24 03:00 · tiny with sea on moby.txt: 12.250"
