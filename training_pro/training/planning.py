"""From settings and prepared data to the plan of a run, with everything refused that would learn nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.data.verify import refusals
from training_pro.errors import Fault, SettingsError
from training_pro.plan import Plan, make_plan
from training_pro.settings import Settings
from training_pro.training.learning_rate import check_schedule, rates, schedule_notes, takes_warmup
from training_pro.training.schedules.shape import Shape

if TYPE_CHECKING:
    from training_pro.data.prepare import Prepared


def plan_for(settings: Settings, blocks: int, schedules_folder: Path, processes: int = 1, begins_at: int = 0) -> Plan:
    """The arithmetic of a run over `blocks` blocks in so many processes, its notes those of the data and the schedule.

    Without warmup where the schedule takes none, which is said. `begins_at`: the updates that were done before, of a
    run that is trained further.

    Raises:
        DataError: there is no block.
        SettingsError: no update is left to be made.
    """
    plan = make_plan(
        blocks,
        settings.batch_size,
        settings.gradient_accumulation_steps,
        settings.epochs,
        settings.warmup_steps,
        settings.warmup_ratio,
        processes=processes,
        begins_at=begins_at,
    )
    if plan.own_updates < 1:
        text = (
            f"Epochs is {settings.epochs:g}, which is {plan.total_updates:,} updates, and the run has made "
            f"{begins_at:,} already. Choose more epochs."
        )
        raise SettingsError([Fault(text, "epochs", ("--further EPOCHS",))])
    name, asked = settings.lr_scheduler_type, max(settings.warmup_steps, plan.warmup_steps)
    if plan.warmup_steps and not takes_warmup(name, schedules_folder):
        plan, asked = _without_warmup(plan, _unused_warmup(settings)), 0
    said = schedule_notes(name, Shape(plan.own_updates, plan.updates_per_epoch, asked), schedules_folder)
    if said != schedule_notes(name, replace(shape_of(plan), warmup_steps=0), schedules_folder):
        plan = plan.without_warmup_note()  # the schedule says better what becomes of the warmup
    return replace(plan, notes=(*plan.notes, *said))


def rates_of(settings: Settings, plan: Plan, schedules_folder: Path) -> list[float] | None:
    """The schedule's share of the learning rate in each update still to come; None where that can't be known before."""
    return rates(settings.lr_scheduler_type, shape_of(plan), schedules_folder)


def plan_run(
    settings: Settings, prepared: Prepared, schedules_folder: Path, processes: int = 1, begins_at: int = 0
) -> Plan:
    """The plan of a run, as `plan_for`.

    Raises:
        SettingsError: the schedule does not exist or lacks what it needs, or nothing would be learned.
    """
    name = settings.lr_scheduler_type
    check_schedule(name, schedules_folder, prepared.eval is not None)
    plan = plan_for(settings, len(prepared.train), schedules_folder, processes, begins_at)
    refused = refusals(settings, plan, rates_of(settings, plan, schedules_folder))
    if refused:
        raise SettingsError(refused)
    return plan


def _unused_warmup(settings: Settings) -> tuple[str, ...]:
    """What to say to someone who asked for a warmup where the schedule takes none."""
    asked = settings.warmup_steps > 0 or settings.warmup_ratio > 0
    return (f"{settings.lr_scheduler_type} takes no warmup: Warmup is not used.",) if asked else ()


def _without_warmup(plan: Plan, notes: tuple[str, ...]) -> Plan:
    plan = plan.without_warmup_note()
    return replace(plan, warmup_steps=0, notes=(*plan.notes, *notes))


def shape_of(plan: Plan) -> Shape:
    """What the schedule sees: a run that is trained further has one of its own over the new part."""
    return Shape(plan.own_updates, plan.updates_per_epoch, plan.warmup_steps)
