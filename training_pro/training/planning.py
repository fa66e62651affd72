"""From settings and prepared data to the plan of a run, with everything refused that would learn nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.errors import RunError
from training_pro.plan import Plan, make_plan
from training_pro.settings import Settings
from training_pro.training.learning_rate import check_schedule, first_rates_are_zero, schedule_notes
from training_pro.training.schedules.shape import Shape

if TYPE_CHECKING:
    from training_pro.data.prepare import Prepared


def plan_for(settings: Settings, blocks: int) -> Plan:
    """The arithmetic of a run over `blocks` blocks.

    Raises:
        DataError: there is no block.
    """
    return make_plan(
        blocks,
        settings.batch_size,
        settings.gradient_accumulation_steps,
        settings.epochs,
        settings.warmup_steps,
        settings.warmup_ratio,
    )


def plan_run(settings: Settings, prepared: Prepared, schedules_folder: Path) -> Plan:
    """The plan of a run, its notes those of the data's arithmetic and of the schedule.

    Raises:
        SettingsError: the schedule does not exist or lacks what it needs.
        RunError: nothing would be learned.
    """
    name = settings.lr_scheduler_type
    check_schedule(name, schedules_folder, prepared.eval is not None)
    plan = plan_for(settings, len(prepared.train))
    shape = Shape(plan.total_updates, plan.updates_per_epoch, plan.warmup_steps)
    if first_rates_are_zero(name, shape, schedules_folder):
        raise RunError(
            f"The learning rate would be 0 in all {plan.total_updates} updates; lower Warmup Steps "
            f"({plan.warmup_steps}), or train more epochs."
        )
    return replace(plan, notes=(*plan.notes, *schedule_notes(name, shape, schedules_folder)))
