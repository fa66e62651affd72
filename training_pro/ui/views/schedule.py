"""The learning rate of a run before it begins, with its epochs."""

from __future__ import annotations

from pathlib import Path

from training_pro.plan import Plan
from training_pro.settings import Settings
from training_pro.training.learning_rate import multiplier_curve, schedule_notes
from training_pro.training.schedules.shape import Shape
from training_pro.ui.views.markup import text

MOST_POINTS = 400
MOST_NAMED = 8


def small_curve(settings: Settings, plan: Plan, schedules: Path) -> str:
    """The curve as HTML without axes, one line high, with its epochs; what the schedule has to say stands below.

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
