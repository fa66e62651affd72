from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from training_pro import __version__
from training_pro.record.log import RunLog, losses, write_graph_json, write_log
from training_pro.record.points import Point, PointColumns, Points


def points(*given: Point) -> Points:
    columns = PointColumns()
    for point in given:
        columns.add(point)
    return columns.snapshot()


def test_the_log_is_strict_json_with_versions(tmp_path: Path) -> None:
    write_log(tmp_path, RunLog("novel", "failed", "loss is NaN", "Smol", loss=math.nan, notes=("a", "b")))
    found = json.loads((tmp_path / "training_log.json").read_text(), parse_constant=pytest.fail)
    assert found["base_model_name"] == "Smol" and found["loss"] is None and found["notes"] == ["a", "b"]
    assert found["versions"]["training_pro"] == __version__ and "numpy" in found["versions"]


def test_the_graph_has_an_entry_per_update(tmp_path: Path) -> None:
    write_graph_json(tmp_path, points(Point(0, eval_loss=3.0), Point(1, 0.5, 2.5, 2.5, 3e-4), Point(2, 1.0, math.nan)))
    found = json.loads((tmp_path / "training_graph.json").read_text(), parse_constant=pytest.fail)
    assert found == [
        {"current_steps": 1, "loss": 2.5, "learning_rate": 3e-4, "epoch": 0.5},
        {"current_steps": 2, "loss": None, "learning_rate": None, "epoch": 1.0},
    ]


def test_losses_of_a_run() -> None:
    found = losses(
        points(
            Point(1, smoothed_loss=3.0, eval_loss=2.5),
            Point(2, smoothed_loss=1.0, eval_loss=0.0),
            Point(3, smoothed_loss=2.0, eval_loss=2.0),
            Point(4, smoothed_loss=math.nan, eval_loss=math.nan),
        )
    )
    assert found == {
        "first_loss": 3.0, "loss": 2.0, "lowest_loss": 1.0, "eval_loss": 2.0, "best_eval_loss": 0.0,
        "best_eval_update": 2,
    }  # fmt: skip
    assert set(losses(points()).values()) == {None}
    RunLog("a", "finished", "", "b", **found)
