"""What only watches can fail without ending the run; a disk that refuses can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.behaviours.moments import Moments
from training_pro.errors import RunError
from training_pro.training.behaviours.behaviour import Behaviour


class Noisy(Behaviour):
    def __init__(self, error: Exception | None = None, dispensable: str = "") -> None:
        self.dispensable = dispensable
        self.heard: list[str] = []
        self._error = error

    def _hear(self, moment: str) -> None:
        self.heard.append(moment)
        if self._error is not None:
            raise self._error

    def on_run_begin(self) -> None:
        self._hear("begin")

    def after_update(self) -> None:
        self._hear(f"update {self.trainer.update}")

    def after_evaluation(self, loss: float) -> None:
        self._hear(f"evaluation {loss}")

    def on_run_end(self) -> None:
        self._hear("end")


def test_all_moments_reach_every_behaviour_in_order(tmp_path: Path) -> None:
    noisy = Noisy(dispensable="doing it")
    moments = Moments(tmp_path).with_these(noisy)
    moments.begin()
    moments.train(1.0)
    moments.evaluate(2.0)
    moments.end()
    assert noisy.heard == ["begin", "update 1", "evaluation 2.0", "end"]
    assert moments.notes == []


def test_a_fault_is_noted_once_and_it_is_left_out_from_then_on(tmp_path: Path) -> None:
    noisy, after = Noisy(ValueError("no such thing"), "answering the sample prompts"), Noisy()
    moments = Moments(tmp_path).with_these(noisy, after)
    moments.train(1.0)
    moments.train(1.0)
    assert noisy.heard == ["update 1"]
    assert after.heard == ["update 1", "update 2"]
    (note,) = moments.notes
    assert "answering the sample prompts: ValueError: no such thing" in note


def test_a_fault_of_what_a_run_needs_ends_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such thing"):
        Moments(tmp_path).with_these(Noisy(ValueError("no such thing"))).train(1.0)


def test_a_full_disk_is_not_held_back(tmp_path: Path) -> None:
    moments = Moments(tmp_path).with_these(Noisy(RunError("the disk is full"), "x"))
    with pytest.raises(RunError, match="the disk is full"):
        moments.train(1.0)
