"""The two JSON files other tools read after a run: ``training_log.json`` and ``training_graph.json``.

The log is one object that sums the run up; the graph is a list with one entry per update. Both are
written whole, once, when the run ends.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training_pro import __version__
from training_pro.record.points import Points
from training_pro.record.whole_files import write_json_whole

LOG_FILE = "training_log.json"
GRAPH_FILE = "training_graph.json"
_PACKAGES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes", "numpy")


@dataclass(frozen=True)
class RunLog:
    """A run summed up. Losses are smoothed ones; None: there was none. Times are UTC, ISO 8601."""

    name: str
    state: str
    reason: str
    base_model_name: str
    base_model_class: str = ""
    base_loaded_in_4bit: bool = False
    projections: str = ""
    trainable_parameters: int = 0
    updates: int = 0
    total_updates: int = 0
    epochs: float = 0.0
    first_loss: float | None = None
    loss: float | None = None
    lowest_loss: float | None = None
    eval_loss: float | None = None
    best_eval_loss: float | None = None
    best_eval_update: int | None = None
    tokens: int = 0
    runtime_s: float = 0.0
    started: str = ""
    finished: str = ""
    settings_fingerprint: str = ""
    data_fingerprint: str = ""
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)


def write_log(folder: Path, log: RunLog) -> None:
    """Write ``training_log.json``; versions left empty are filled in.

    Raises:
        RunError: it couldn't be written.
    """
    values = {**dataclasses.asdict(log), "versions": log.versions or installed_versions()}
    write_json_whole(folder / LOG_FILE, values)


def write_graph_json(folder: Path, points: Points) -> None:
    """Write ``training_graph.json``: a list of {current_steps, loss, learning_rate, epoch}.

    Raises:
        RunError: it couldn't be written.
    """
    names = ("loss", "learning_rate", "epoch")
    columns = [points.column(name).tolist() for name in names]
    updates = points.column("update").astype(int).tolist()
    rows: list[dict[str, Any]] = [
        {"current_steps": update, **dict(zip(names, values, strict=True))}
        for update, *values in zip(updates, *columns, strict=True)
        if update > 0
    ]
    write_json_whole(folder / GRAPH_FILE, rows)


def losses(points: Points) -> dict[str, Any]:
    """What the points say for a `RunLog`: first, last and lowest loss, last and best evaluation."""
    smoothed = [loss for loss in points.column("smoothed_loss").tolist() if loss == loss]
    evaluated = [point for point in points.evaluated() if point.eval_loss == point.eval_loss]
    best = min(evaluated, key=lambda point: point.eval_loss or 0.0, default=None)
    return {
        "first_loss": _first(smoothed),
        "loss": _first(smoothed[::-1]),
        "lowest_loss": min(smoothed, default=None),
        "eval_loss": evaluated[-1].eval_loss if evaluated else None,
        "best_eval_loss": best.eval_loss if best else None,
        "best_eval_update": best.update if best else None,
    }


def installed_versions() -> dict[str, str]:
    """The versions a run depends on, by package; what is not installed is left out."""
    found = {"training_pro": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _first(values: Sequence[float]) -> float | None:
    return values[0] if values else None
