from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from training_pro.errors import RunError
from training_pro.record.graph import draw_graph
from training_pro.record.history import Event, HistoryData
from training_pro.record.points import Point, PointColumns


def history(updates: int, loss: float | None = None) -> HistoryData:
    columns = PointColumns()
    for update in range(1, updates + 1):
        value = 3.0 - update / updates if loss is None else loss
        columns.add(Point(update, update / updates, value, value, 3e-4, eval_loss=2.0 if update % 50 == 0 else None))
    return HistoryData(columns.snapshot(), tuple(Event("checkpoint", update) for update in range(10, updates, 10)))


def size(png: Path) -> tuple[int, int]:
    raw = png.read_bytes()
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")


def strange() -> list[HistoryData]:
    baseline = PointColumns()
    baseline.set_eval(0, 3.0)
    lost = PointColumns()
    lost.add(Point(1))
    return [
        HistoryData(PointColumns().snapshot()),
        HistoryData(PointColumns().snapshot(), (Event("checkpoint", 5),)),
        HistoryData(baseline.snapshot()),
        HistoryData(lost.snapshot()),
        history(1),
        history(2),
        history(120, math.nan),
        history(120, math.inf),
        history(120, 1e300),
        history(120, 0.0),
        history(300),
    ]


@pytest.mark.parametrize("data", strange(), ids=range(len(strange())))
def test_every_history_gives_a_picture_of_its_size(tmp_path: Path, data: HistoryData) -> None:
    for total_epochs in (1.0, math.nan):
        assert draw_graph(data, tmp_path / "g.png", "novel", total_epochs) == ""
        assert size(tmp_path / "g.png") == (1200, 700)


def test_the_data_is_in_the_picture(tmp_path: Path) -> None:
    for name, data in (("a", history(300)), ("b", history(300, 1.0)), ("none", history(0))):
        draw_graph(data, tmp_path / name, "x", 1.0)
    assert len({(tmp_path / name).read_bytes() for name in ("a", "b", "none")}) == 3


@pytest.mark.parametrize("title", ["$x_{$", "", "база", "a" * 500, "<b>\\frac{", "line\nbreak"])
def test_a_title_is_text_and_nothing_more(tmp_path: Path, title: str) -> None:
    assert draw_graph(history(10), tmp_path / "g.png", title, 1.0) == ""


def test_a_hundred_thousand_updates_make_a_small_picture(tmp_path: Path) -> None:
    data = history(100_000)
    assert draw_graph(data, tmp_path / "g.png", "long", 1.0) == ""
    assert (tmp_path / "g.png").stat().st_size < 500_000


def test_without_matplotlib_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    sentence = draw_graph(history(10), tmp_path / "g.png", "x", 1.0)
    assert "matplotlib" in sentence and "pip install" in sentence
    assert list(tmp_path.iterdir()) == []


def test_matplotlib_is_imported_only_when_drawing_and_pyplot_never(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import training_pro.record.graph as g\n"
        "from training_pro.record.history import HistoryData; from training_pro.record.points import PointColumns\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib; matplotlib.rcParams['axes.facecolor'] = 'black'; before = matplotlib.rcParams.copy()\n"
        "g.draw_graph(HistoryData(PointColumns().snapshot()), Path(sys.argv[1]), 'x', 1.0)\n"
        "assert 'matplotlib.pyplot' not in sys.modules and matplotlib.rcParams.copy() == before\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "g.png")], check=True)


def test_a_disk_that_refuses_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="folder is gone"):
        draw_graph(history(3), tmp_path / "gone" / "g.png", "x", 1.0)
