from __future__ import annotations

import json
import re
from html import unescape
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
from training_pro.record.runs import RunSummary
from training_pro.ui.lora_chooser import THE_BASE
from training_pro.ui.panels.perplexity import Perplexity
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
    updates = panel.measure("a.txt", ["other"], [THE_BASE[1], "sea"], 512, 128, False)
    assert panel.session.asked == Measuring("a.txt", ("other",), (WITHOUT, "sea"), 512, 128, False)
    assert updates[panel.panel.interrupt]["interactive"] is True
    panel.measure("a.txt", None, [], 512.0, 128.0, True)
    assert panel.session.asked == Measuring("a.txt", (), (), 512, 128, True)


def test_the_base_model_is_measured_beside_its_loras_once(panel: Panel) -> None:
    panel.measure("a.txt", [], ["sea"], 512, 128, True)
    assert panel.session.asked is not None and panel.session.asked.loras == (WITHOUT, "sea")
    known = panel.lines[1]
    panel.measure(known.text, [known.model], ["sea"], known.context, known.stride, True)
    assert panel.session.asked.loras == ("sea",), "the table has its figure"


def test_a_loras_figure_stands_beside_the_bases() -> None:
    html = perplexity_table([line(perplexity=6.0), line(lora="", perplexity=12.0), line(text="other.txt")])
    assert "12.000 (-50 %)" in Reader(html).words and Reader(html).words.count("%") == 1


def test_runs_to_measure_fill_in_their_text_and_names(panel: Panel, folders: Folders) -> None:
    (folders.datasets / "tales.txt").write_text("a")
    runs = [RunSummary(name, folders.loras / name, data="tales.txt") for name in ("sea", "hill")]
    updates = panel.panel.about(runs)
    assert updates[panel.panel.chooser.control]["value"] == [THE_BASE[1], "sea", "hill"]
    assert updates[panel.panel.text]["value"] == "tales.txt"
    assert panel.panel.text not in panel.panel.about([*runs, RunSummary("x", folders.loras / "x", data="b.txt")])


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


def comments(panel: Panel) -> Any:
    """From which the page fills the field of a comment."""
    found = re.search('data-comments="([^"]*)"', drawn(panel.panel, "perplexity-table"))
    assert found is not None
    return json.loads(unescape(found[1]))


def test_a_comment_is_kept_and_in_the_table(panel: Panel) -> None:
    shown, old = panel.panel, panel.lines[1].id
    assert comments(panel) == {one.id: one.comment for one in panel.lines}
    press(panel.blocks, shown.keep, old, NASTY)
    assert comments(panel)[old] == NASTY
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
    updates = panel.panel.lists()
    assert updates[panel.panel.text]["choices"] == ["b.txt"]
    assert updates[panel.panel.models]["choices"] == ["other", "tiny"]
    assert updates[panel.panel.chooser.control]["choices"] == [THE_BASE, ("sea", "sea")]


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
