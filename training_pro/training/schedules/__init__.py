"""Schedules of the learning rate: one file each, each a pure function of the update number.

A person's own schedule is such a file in ``training/schedules`` of the user data folder: it has a `NAME`,
a `multiplier(step, shape)` and, if it likes, `HELP`, `TAKES_WARMUP` and `notes(shape)`. Standard library only;
transformers' own schedules are added by `training_pro.training.learning_rate`.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from training_pro.training.schedules import (
    fp_3epoch_raise_hold_fall,
    fp_half_time_annealing,
    fp_low_epoch_annealing,
    fp_raise_fall_creative,
    fp_step_decay_with_warmup,
)
from training_pro.training.schedules.shape import Shape

logger = logging.getLogger(__name__)

_BUILT_IN = (
    fp_low_epoch_annealing,
    fp_half_time_annealing,
    fp_raise_fall_creative,
    fp_3epoch_raise_hold_fall,
    fp_step_decay_with_warmup,
)


def _no_notes(shape: Shape) -> list[str]:
    return []


@dataclass(frozen=True)
class Schedule:
    """One schedule: `multiplier(step, shape)` gives the share of the learning rate, in [0, 1]."""

    name: str
    help: str
    multiplier: Callable[[int, Shape], float]
    notes: Callable[[Shape], list[str]]
    takes_warmup: bool = True


def _from_module(module: ModuleType) -> Schedule:
    return Schedule(
        module.NAME,
        getattr(module, "HELP", ""),
        module.multiplier,
        getattr(module, "notes", _no_notes),
        bool(getattr(module, "TAKES_WARMUP", True)),
    )


def built_in() -> dict[str, Schedule]:
    """The schedules that come with the package, by name, in the order of the list."""
    return {module.NAME: _from_module(module) for module in _BUILT_IN}


def user_schedules(folder: Path, taken: frozenset[str] = frozenset()) -> tuple[dict[str, Schedule], list[str]]:
    """The schedules in `folder` by name, and one sentence for each file that can't be used.

    `taken` names can't be used again: a schedule never hides another.
    """
    good: dict[str, Schedule] = {}
    faults = []
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else []:
        try:
            schedule = _checked(_load(path), path)
        except (Exception, SystemExit) as error:  # foreign code may fail in any way
            logger.warning("Schedule file %s can't be used", path, exc_info=error)
            faults.append(f"The schedule file {path.name} can't be used ({error}); correct or remove it.")
            continue
        if schedule.name in taken or schedule.name in good:
            faults.append(
                f"The schedule file {path.name} has the name {schedule.name}, which is taken; choose another."
            )
            continue
        good[schedule.name] = schedule
    return good, faults


def _load(path: Path) -> ModuleType:
    name = "training_pro_user_schedule_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it can't be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _checked(module: ModuleType, path: Path) -> Schedule:
    if not isinstance(getattr(module, "NAME", None), str) or not module.NAME.strip():
        raise ValueError("it has no NAME, a text")
    if not callable(getattr(module, "multiplier", None)):
        raise ValueError("it has no function multiplier(step, shape)")
    schedule = _from_module(module)
    for shape in (Shape(30, 10, 3), Shape(1, 1, 0), Shape(7, 3, 100)):
        schedule.notes(shape)
        for step in range(shape.total_updates + 1):
            check_multiplier(schedule.multiplier(step, shape), schedule.name, step)
    return schedule


def check_multiplier(value: object, name: str, step: int) -> float:
    """`value` as a float in [0, 1].

    Raises:
        ValueError: a schedule gave something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} gives {value!r} at update {step}; it must be a number from 0 to 1")
    if not -1e-9 <= value <= 1 + 1e-9:
        raise ValueError(f"{name} gives {value:g} at update {step}; it must be a number from 0 to 1")
    return min(max(float(value), 0.0), 1.0)


def all_schedules(folder: Path | None, taken: frozenset[str] = frozenset()) -> tuple[dict[str, Schedule], list[str]]:
    """Built-in and user schedules by name, and the faults of the user's files; `taken` names belong to others still."""
    ours = built_in()
    if folder is None:
        return ours, []
    theirs, faults = user_schedules(folder, taken.union(ours))
    return {**ours, **theirs}, faults
