"""Series that stand beside the loss: by name, in order, and drawn."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from training_pro.record.graph import draw_graph
from training_pro.record.history import Event, History, HistoryData, read_history
from training_pro.record.points import Point, PointColumns
from training_pro.record.series import GENERAL_TEXT, measured_event, series_of


def test_points_by_name_in_the_order_measured(tmp_path: Path) -> None:
    history = History.open(tmp_path / "history.jsonl")
    for event in (
        measured_event(GENERAL_TEXT, 0, 2.5),
        measured_event("another", 3, 1.0),
        Event("note", 3, "loss", {"loss": 7.0}),
        measured_event(GENERAL_TEXT, 4, math.nan),
        measured_event(GENERAL_TEXT, 8, 2.75),
    ):
        history.add_event(event)
    history.close()
    events = read_history(tmp_path / "history.jsonl").events
    assert series_of(events) == {GENERAL_TEXT: [(0, 2.5), (8, 2.75)], "another": [(3, 1.0)]}


def test_series_and_parts_are_in_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    drawn: dict[str, list[float]] = {}
    lines: list[float] = []
    real_plot, real_line = Axes.plot, Axes.axvline
    monkeypatch.setattr(
        Axes, "plot", lambda self, x, y, **k: drawn.update({k["label"]: list(x)}) or real_plot(self, x, y, **k)
    )
    monkeypatch.setattr(Axes, "axvline", lambda self, x, **k: lines.append(float(x)) or real_line(self, x, **k))
    legends: list[list[str]] = []
    real_legend = Figure.legend
    monkeypatch.setattr(
        Figure,
        "legend",
        lambda self, **k: legends.append([line.get_label() for line in k["handles"]]) or real_legend(self, **k),
    )
    columns = PointColumns()
    for update in range(1, 13):
        columns.add(Point(update, update / 4, 3.0 - update / 8, 3.0 - update / 8, 1e-4))
    events = (measured_event(GENERAL_TEXT, 0, 2.5), measured_event(GENERAL_TEXT, 12, 2.6), Event("part", 8, "further"))
    assert draw_graph(HistoryData(columns.snapshot(), events), tmp_path / "graph.png", "tales", 3.0) == ""
    assert drawn[GENERAL_TEXT] == [0.0, 3.0] and lines == [2.0]
    (names,) = legends
    assert "Trained further" in names and not any(name.startswith("_") for name in names)
