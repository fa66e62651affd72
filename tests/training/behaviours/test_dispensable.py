"""What only watches can fail without ending the run; a disk that refuses can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.behaviours.moments import Moments
from training_pro.errors import RunError
from training_pro.training.behaviours.behaviour import Behaviour, Dispensable


class Noisy(Behaviour):
    def __init__(self, error: Exception | None = None) -> None:
        self.heard: list[str] = []
        self._error = error

    def _hear(self, moment: str) -> None:
        self.heard.append(moment)
        if self._error is not None:
            raise self._error

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._hear("begin")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._hear("step")

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._hear(f"evaluate {kwargs['metrics']['eval_loss']}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._hear("end")


def test_all_moments_are_passed_on(tmp_path: Path) -> None:
    noisy, notes = Noisy(), []
    moments = Moments(tmp_path).with_these(Dispensable(noisy, "doing it", notes.append))
    moments.begin()
    moments.update(1.0)
    moments.evaluate(2.0)
    moments.call("on_train_end")
    assert noisy.heard == ["begin", "step", "evaluate 2.0", "end"]
    assert notes == []


def test_a_fault_is_told_once_and_it_is_left_out_from_then_on(tmp_path: Path) -> None:
    noisy, notes = Noisy(ValueError("no such thing")), []
    moments = Moments(tmp_path).with_these(Dispensable(noisy, "answering the sample prompts", notes.append))
    moments.update(1.0)
    moments.update(1.0)
    assert noisy.heard == ["step"]
    assert len(notes) == 1
    assert "answering the sample prompts: ValueError: no such thing" in notes[0]
    assert notes[0].endswith("The run goes on without it.")


def test_a_full_disk_is_not_held_back(tmp_path: Path) -> None:
    moments = Moments(tmp_path).with_these(Dispensable(Noisy(RunError("the disk is full")), "x", [].append))
    with pytest.raises(RunError, match="the disk is full"):
        moments.update(1.0)
