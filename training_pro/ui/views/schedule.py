"""The learning rate of a run before it begins, with its epochs and the checkpoints that are already certain."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training_pro.plan import Plan
from training_pro.settings import Settings
from training_pro.training.learning_rate import FOLLOWS_EVALUATION, multiplier_curve, schedule_notes
from training_pro.training.schedules.shape import Shape
from training_pro.ui.views.axis import Axis, axis_for
from training_pro.ui.views.chart import Chart, Curve, Mark, Tip, draw
from training_pro.ui.views.markup import box, number, text

MOST_POINTS = 400
MOST_MARKS = 100
MOST_EPOCHS = 60
MOST_NAMED = 8


def schedule_view(settings: Settings, plan: Plan, schedules: Path) -> str:
    """The curve as HTML, with what the schedule has to say about this run.

    Raises:
        SettingsError: no such schedule.
    """
    shape = Shape(plan.total_updates, plan.updates_per_epoch, plan.warmup_steps)
    name = settings.lr_scheduler_type
    notes = box("info", dict.fromkeys([*plan.notes, *schedule_notes(name, shape, schedules)]))
    curve = multiplier_curve(name, shape, schedules, MOST_POINTS)
    if curve is None:
        why = "follows the evaluation loss" if name in FOLLOWS_EVALUATION else "tells it only while it runs"
        return box("info", f"The curve of {name} is not known beforehand: it {why}.") + notes
    x = np.array([step for step, _ in curve], dtype=float)
    y = np.array([share * settings.learning_rate for _, share in curve])
    left = axis_for([y], from_zero=True)
    epochs = [float(update) for update in epoch_ends(plan)]
    chart = Chart(
        x=Axis(0.0, float(max(plan.total_updates, 1))),
        left=left,
        curves=[Curve("learning rate", "loss", x, y, left)],
        marks=[
            Mark(update, f"checkpoint at update {update}", float(np.interp(update, x, y)))
            for update in planned_checkpoints(settings, plan)
        ],
        tips=[_tip(step, share * settings.learning_rate, plan) for step, share in curve[:: len(curve) // 100 + 1]],
        left_name=f"{name}, {plan.total_updates:,} updates",
        verticals=epochs if len(epochs) <= MOST_EPOCHS else [],
    )
    return draw(chart) + notes


def small_curve(settings: Settings, plan: Plan, schedules: Path) -> str:
    """The same curve without axes, one line high, with its epochs; what the schedule has to say stands below.

    Raises:
        SettingsError: no such schedule.
    """
    shape = Shape(plan.total_updates, plan.updates_per_epoch, plan.warmup_steps)
    name = settings.lr_scheduler_type
    said = "".join(f'<p class="tp-small tp-soft">{text(note)}</p>' for note in schedule_notes(name, shape, schedules))
    curve = multiplier_curve(name, shape, schedules, MOST_POINTS)
    if curve is None:
        return f'<p class="tp-small tp-soft">The curve of {text(name)} shows only while it trains.</p>{said}'
    last = max(plan.total_updates, 1)
    most = max(max(share for _, share in curve), 1e-9)
    line = "L".join(f"{1000 * step / last:.1f} {1000 - 1000 * share / most:.1f}" for step, share in curve)
    ends = epoch_ends(plan)[:-1] if plan.total_updates in epoch_ends(plan) else epoch_ends(plan)
    marks = ends if len(ends) <= MOST_NAMED else []
    verticals = "".join(f"M{1000 * end / last:.1f} 0V1000" for end in marks)
    words = "".join(
        f'<span class="tp-tag" style="left:{100 * end / last:.1f}%">epoch {place}</span>'
        for place, end in enumerate(marks, start=2)
    )
    return (
        '<div class="tp-small-plot"><svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="tp-p-epoch" d="{verticals}"/><path class="tp-p-area" d="M0 1000L{line}L1000 1000"/>'
        f'<path class="tp-p-rate" d="M{line}"/></svg>{words}</div>{said}'
    )


def epoch_ends(plan: Plan) -> list[int]:
    """The updates with which epochs end, within the run."""
    return list(range(plan.updates_per_epoch, plan.total_updates + 1, plan.updates_per_epoch))


def planned_checkpoints(settings: Settings, plan: Plan) -> list[int]:
    """The updates at which "Save every n steps" writes; the others depend on the loss. At most `MOST_MARKS`."""
    if not settings.save_steps:
        return []
    regular = range(settings.save_steps, plan.total_updates + 1, settings.save_steps)
    updates = sorted({*regular, *epoch_ends(plan)})
    return updates[:: len(updates) // MOST_MARKS + 1]


def _tip(update: float, rate: float, plan: Plan) -> Tip:
    epoch = update / max(plan.updates_per_epoch, 1)
    return Tip(update, f"Update {update:,.0f} · epoch {epoch:.2f}", (("loss", "learning rate", number(rate)),))
