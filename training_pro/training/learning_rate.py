"""From a schedule's name to the scheduler that training steps, and to the curve the page draws before a run."""

from __future__ import annotations

import logging
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import Fault, SettingsError
from training_pro.training.schedules import Schedule, all_schedules, check_multiplier
from training_pro.training.schedules.shape import Shape

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

FOLLOWS_EVALUATION = frozenset({"reduce_lr_on_plateau", "greedy"})
_WITHOUT_WARMUP = frozenset({"constant", "reduce_lr_on_plateau", "greedy"})
_DECAY_SHARE = 0.2
_LOWEST_SHARE = 0.1
_MOST_RATES = 20_000  # a longer run is not looked at update by update


def _special(name: str, shape: Shape) -> dict[str, Any]:
    """Arguments that a few of transformers' schedules need and no control gives."""
    if name == "warmup_stable_decay":
        return {"num_decay_steps": max(1, round(_DECAY_SHARE * shape.total_updates))}
    if name in ("cosine_with_min_lr", "cosine_warmup_with_min_lr"):
        return {"min_lr_rate": _LOWEST_SHARE}
    return {}


def _dummy_optimizer() -> torch.optim.Optimizer:
    import torch

    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def _from_transformers(name: str, optimizer: torch.optim.Optimizer, shape: Shape) -> Any:
    from transformers import get_scheduler

    return get_scheduler(
        name,
        optimizer,
        num_warmup_steps=shape.warmup_steps,
        num_training_steps=shape.total_updates,
        scheduler_specific_kwargs=_special(name, shape),
    )


@cache
def transformers_schedules() -> tuple[str, ...]:
    """Names of the installed transformers' schedules that work with what the controls give."""
    from transformers import SchedulerType

    usable = []
    for kind in SchedulerType:
        try:
            _from_transformers(kind.value, _dummy_optimizer(), Shape(10, 5, 1))
        except (TypeError, ValueError, ImportError, KeyError) as error:
            logger.info("Schedule %s of transformers is left out: %s", kind.value, error)
            continue
        usable.append(kind.value)
    return tuple(usable)


@cache
def _transformers_names() -> frozenset[str]:
    """All of them, also those that can't be used here."""
    from transformers import SchedulerType

    return frozenset(kind.value for kind in SchedulerType)


def _ours_and_theirs(folder: Path | None) -> tuple[dict[str, Schedule], list[str]]:
    """Our schedules and the user's own, none of which hides one of transformers', and what is wrong with the latter."""
    return all_schedules(folder, _transformers_names())


def schedule_names(folder: Path | None = None) -> list[str]:
    """Every name that can be chosen: ours, the user's own, transformers'."""
    return [*_ours_and_theirs(folder)[0], *transformers_schedules()]


def check_schedule(name: str, folder: Path | None, has_eval: bool) -> None:
    """Raises:
    SettingsError: no such schedule, or one that follows the evaluation loss without evaluation data.
    """
    ours, faults = _ours_and_theirs(folder)
    if name not in ours and name not in transformers_schedules():
        broken = " ".join(faults)
        names = ", ".join(schedule_names(folder))
        text = f"There is no LR Scheduler {name!r}. Available: {names}. {broken}".strip()
        raise SettingsError([_fault(text)])
    if name in FOLLOWS_EVALUATION and not has_eval:
        text = f"LR Scheduler {name} follows the evaluation loss. Add evaluation data, or choose another schedule."
        raise SettingsError([_fault(text, "--set eval_percent=10")])


def _fault(text: str, *options: str) -> Fault:
    return Fault(text, "lr_scheduler_type", (*options, "--set lr_scheduler_type=NAME"))


def takes_warmup(name: str, folder: Path | None = None) -> bool:
    """Whether Warmup Steps mean anything to the schedule."""
    schedule = _ours_and_theirs(folder)[0].get(name)
    return schedule.takes_warmup if schedule else name not in _WITHOUT_WARMUP


def schedule_notes(name: str, shape: Shape, folder: Path | None = None) -> list[str]:
    """What the schedule has to say about this run; and, whichever is chosen, what is wrong with the user's own."""
    ours, faults = _ours_and_theirs(folder)
    return [*(ours[name].notes(shape) if name in ours else []), *faults]


def _multiplier(schedule: Schedule, shape: Shape, step: int) -> float:
    """Raises:
    SettingsError: the schedule, a person's own, fails at this update.
    """
    try:
        value = schedule.multiplier(min(step, shape.total_updates), shape)
        return check_multiplier(value, schedule.name, step)
    except Exception as error:
        text = (
            f"LR Scheduler {schedule.name} fails at update {step} of this run ({error}). Correct its file, or choose "
        )
        raise SettingsError([_fault(f"{text}another schedule.")]) from error


def make_scheduler(name: str, optimizer: torch.optim.Optimizer, shape: Shape, folder: Path | None = None) -> Any:
    """The scheduler to step once an update."""
    from torch.optim.lr_scheduler import LambdaLR

    schedule = _ours_and_theirs(folder)[0].get(name)
    if schedule is not None:
        return LambdaLR(optimizer, partial(_multiplier, schedule, shape))
    return _from_transformers(name, optimizer, shape)


def multiplier_curve(
    name: str, shape: Shape, folder: Path | None = None, most: int = 400
) -> list[tuple[int, float]] | None:
    """(update, share of the learning rate) from 0 to T, at most some `most` pairs; None where it can't be known."""
    if name in FOLLOWS_EVALUATION:
        return None
    schedule = _ours_and_theirs(folder)[0].get(name)
    stride = max(1, shape.total_updates // most)
    steps = sorted({*range(0, shape.total_updates + 1, stride), shape.total_updates})
    if schedule is not None:
        return [(step, _multiplier(schedule, shape, step)) for step in steps]
    from torch.optim.lr_scheduler import LambdaLR

    scheduler = _from_transformers(name, _dummy_optimizer(), shape)
    if isinstance(scheduler, LambdaLR):
        multiplier = scheduler.lr_lambdas[0]
        return [(step, float(multiplier(step))) for step in steps]
    return None


def rates(name: str, shape: Shape, folder: Path | None = None) -> list[float] | None:
    """The share of the learning rate in each update of a run; None where that can't be known before.

    Raises:
        SettingsError: a person's own schedule fails at one of them.
    """
    if shape.total_updates > _MOST_RATES:
        return None
    curve = multiplier_curve(name, shape, folder, most=shape.total_updates)
    return [share for step, share in curve if step < shape.total_updates] if curve is not None else None
