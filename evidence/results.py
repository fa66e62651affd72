"""Results, one JSON line a measured state of a run, in results/NAME.jsonl. Costs nothing; needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evidence.arms import Arm, Experiment

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Line:
    """`level`: the stop loss at which it was measured, 0 for the end of the run; -1: the bare model. `tokens` were
    trained, without padding. `asked` is the arm as it was defined then."""

    arm: str
    seed: int
    level: float
    tokens: int
    updates: int
    loss: float
    measures: dict[str, float]
    seconds: float
    asked: dict[str, Any]
    settings: dict[str, Any]
    trainable: int
    versions: dict[str, str]


def path_of(experiment: str, folder: Path = RESULTS) -> Path:
    return folder / f"{experiment}.jsonl"


def read(experiment: str, folder: Path = RESULTS) -> list[Line]:
    """All lines of the experiment; none where it was never run."""
    path = path_of(experiment, folder)
    if not path.is_file():
        return []
    return [Line(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def current(experiment: Experiment, folder: Path = RESULTS) -> list[Line]:
    """The lines of the arms as they are defined now, in the arms' order; those of older definitions are left out."""
    lines = read(experiment.name, folder)
    return [line for arm in experiment.arms for line in lines if line.arm == arm.name and line.asked == asked_of(arm)]


def is_done(experiment: Experiment, arm: Arm, seed: int, folder: Path = RESULTS) -> bool:
    return any(line.arm == arm.name and line.seed == seed for line in current(experiment, folder))


def add(experiment: str, lines: Iterable[Line], folder: Path = RESULTS) -> None:
    """Written when a run is whole, so that one cut short leaves nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines)
    with path_of(experiment, folder).open("a", encoding="utf-8") as file:
        file.write(text)


def asked_of(arm: Arm) -> dict[str, Any]:
    """All that decides what the arm's runs give, as JSON gives it back."""
    fields = {name: value for name, value in asdict(arm).items() if name not in ("name", "settings", "per_batch")}
    asked = {"settings": arm.all_settings(), **fields, **({"per_batch": True} if arm.per_batch else {})}
    found: dict[str, Any] = json.loads(json.dumps(asked))
    return found
