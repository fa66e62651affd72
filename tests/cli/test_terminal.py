"""What the terminal says of work that did not come to its end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training_pro.cli.perplexity import _watched
from training_pro.cli.terminal import watch
from training_pro.errors import Fault
from training_pro.perplexity import MeasuringStatus
from training_pro.training.status import Ending, RunStatus


class Told:
    """Something with a `status` that is another at each look; the last one stays."""

    def __init__(self, *statuses: Any) -> None:
        self._left = list(statuses)

    @property
    def status(self) -> Any:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


MEASURING = MeasuringStatus("t.txt", progress=(3, 10, "tiny without a LoRA: perplexity 9.1"))


@pytest.mark.parametrize(
    ("end", "word"),
    [({"interrupted": True}, "interrupted"), ({"faults": (Fault("The model is gone."),)}, "failed"), ({}, "done")],
)
def test_a_measurings_end_is_told_as_it_was(end: dict[str, Any], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    _watched(Told(MEASURING, MeasuringStatus("t.txt", running=False, **end)), frozenset())  # type: ignore[arg-type]  # a stand-in
    assert f"tiny without a LoRA: {word}" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(("kind", "word"), [("interrupted", "interrupted"), ("failed", "failed")])
def test_a_run_that_never_got_through_its_data_is_not_done(
    kind: Any, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = RunStatus("tales", Path(), "preparing", (3, 10, "Slicing"))
    ended = RunStatus("tales", Path(), "ended", (3, 10, "Slicing"), ending=Ending(kind, "so it was"))
    watch(Told(begun, ended))  # type: ignore[arg-type]  # a stand-in
    assert capsys.readouterr().err.splitlines()[-1] == f"Slicing: {word}"


@pytest.mark.parametrize(
    ("kind", "word"), [("interrupted", "interrupted"), ("stopped", "stopped"), ("finished", "done")]
)
def test_a_runs_last_line_says_how_it_ended(kind: Any, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    point: Any = SimpleNamespace(update=3, loss=1.0, smoothed_loss=1.0, learning_rate=1e-4)
    plan: Any = SimpleNamespace(total_updates=10)
    ended = RunStatus("tales", Path(), "ended", plan=plan, point=point, ending=Ending(kind, "so it was"))
    watch(Told(ended))  # type: ignore[arg-type]  # a stand-in
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"{word}: 3/10, loss 1.000")


def test_a_line_is_written_only_where_there_is_a_new_update(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_pro.cli.terminal._LINE_EVERY_S", 0)
    plan: Any = SimpleNamespace(total_updates=10)

    def at(update: int, phase: str, **more: Any) -> RunStatus:
        point: Any = SimpleNamespace(update=update, loss=1.0, smoothed_loss=1.0, learning_rate=1e-4)
        return RunStatus("tales", Path(), phase, plan=plan, point=point, **more)

    seen = [at(update, "training") for update in (1, 1, 1, 2, 2)]
    begun = RunStatus("tales", Path(), "preparing", (3, 10, "Slicing"))
    ended = at(2, "ended", ending=Ending("finished", "all done"))
    watch(Told(begun, *seen, ended))  # type: ignore[arg-type]  # a stand-in
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        *("Slicing: 3 of 10", "Slicing: done"),  # of the data, before the first line of the training
        *("training: 1/10", "training: 2/10", "done: 2/10"),
    ]
