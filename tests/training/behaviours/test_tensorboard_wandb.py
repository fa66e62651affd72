"""Logs for TensorBoard and W&B: the history's numbers, read back."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tests.training.behaviours.moments import Moments
from tests.training.tiny import small_settings
from training_pro.errors import SettingsError
from training_pro.training.behaviours import tensorboard_wandb as scalars
from training_pro.training.behaviours.tensorboard_wandb import check_report, scalars_behaviour


def run_three(moments: Moments, folder: Path, begin: int = 0) -> None:
    behaviour = scalars_behaviour(moments.settings, folder, moments.meter)
    assert behaviour is not None
    moments.with_these(behaviour)
    moments.begin(begin)
    for loss in (3.0, 2.0, 1.0):
        moments.train(loss)
    moments.evaluate(1.5)
    moments.end()


def read_tensorboard(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_tensorboard(tmp_path: Path) -> None:
    run_three(Moments(tmp_path, small_settings(report_to="tensorboard")), tmp_path)
    found = read_tensorboard(tmp_path)
    assert found["train/loss"] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert found["train/smoothed_loss"] == [(1, 3.0), (2, 2.5), (3, 2.0)]
    assert found["eval/loss"] == [(3, 1.5)]
    assert {f"train/{name}" for name in (*scalars.MEASURES, "epoch")} | {"eval/loss"} == set(found)


def test_tensorboard_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    """What a killed run had written beyond it is overlaid."""
    run_three(Moments(tmp_path, small_settings(report_to="tensorboard")), tmp_path)
    run_three(Moments(tmp_path, small_settings(report_to="tensorboard")), tmp_path, begin=1)
    assert [step for step, _ in read_tensorboard(tmp_path)["train/loss"]] == [1, 2, 3, 4]


class FakeWandb(types.ModuleType):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.Settings = dict
        self.given: dict[str, Any] = {}
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.finished = 0

    def init(self, **given: Any) -> FakeWandb:
        self.given = given
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        self.logged.append((step, values))

    def finish(self) -> None:
        self.finished += 1


def test_wandb_is_offline_unless_its_own_variable_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run_three(Moments(tmp_path, small_settings(report_to="wandb")), tmp_path)
    assert fake.given["mode"] == "offline"
    assert fake.given["name"] == "tiny"
    assert fake.given["config"]["rank"] == 4
    assert [(step, values.get("train/loss")) for step, values in fake.logged] == [
        (1, 3.0),
        (2, 2.0),
        (3, 1.0),
        (3, None),
    ]
    assert fake.finished == 1
    monkeypatch.setenv("WANDB_MODE", "online")
    run_three(Moments(tmp_path, small_settings(report_to="wandb")), tmp_path)
    assert fake.given["mode"] == "online"


def test_nothing_without_being_asked(tmp_path: Path) -> None:
    moments = Moments(tmp_path)
    assert scalars_behaviour(moments.settings, tmp_path, moments.meter) is None


def test_what_is_not_installed_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalars, "installed", lambda _: False)
    check_report("none")
    with pytest.raises(SettingsError, match="with wandb needs the package wandb; run: pip install wandb"):
        check_report("wandb")
