"""Training a run further: more epochs for a LoRA that is finished or was stopped, under its own name.

Numbering, history and curve carry on, and the optimizer keeps its state where a checkpoint of the last update has it.
The schedule starts again over the new part. Costs the reading of a few small files and the history's end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.errors import BusyError, RunError
from training_pro.plan import Plan
from training_pro.record.checkpoints import newest_first, read_resume_state
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.record.points import Points
from training_pro.record.runs import RunSummary, summarize
from training_pro.record.state import read_state
from training_pro.settings import Settings
from training_pro.small_files import object_in
from training_pro.training.controls import LIVE_SETTINGS
from training_pro.training.resume import (
    FREE_TO_CHANGE,
    Continuation,
    find_continuation,
    stored_settings,
)

# What a new part may choose for itself, beside what may change in any continued run.
FREE_IN_A_NEW_PART = FREE_TO_CHANGE | {
    "epochs",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "warmup_ratio",
    "max_grad_norm",
    "neftune_noise_alpha",
}
_DECIMALS = 10**6  # epochs are rounded down to so many parts, for a little more would be one update more
_UNENDED = ("unfinished", "interrupted", "failed")


@dataclass(frozen=True)
class Reached:
    """How far a run has come: updates, epochs, and the updates of one epoch."""

    update: int
    epoch: float
    updates_per_epoch: int


def reached(folder: Path) -> Reached:
    """Raises:
    RunError: there is no update to train further from.
    """
    points = _points(folder)
    if not len(points) or not points[-1].epoch > 0:
        raise RunError(f'The run "{folder.name}" has made no update yet. Start it, or resume it.')
    last = points[-1]
    return Reached(last.update, last.epoch, max(round(last.update / last.epoch), 1))


def further_settings(folder: Path, more_epochs: float, chosen: Settings | None = None) -> Settings:
    """The settings that train the run in `folder` further by so many epochs: its own, or those `chosen`.

    A part that was begun and cut off keeps its own number of epochs: the same words resume it.

    Raises:
        RunError: no run of ours is there, or it has made no update.
    """
    before = stored_settings(folder)
    if before is None:
        raise RunError(_not_ours(folder.name), option=(f"--set start_from={folder.name} --set name=NAME",))
    settings = (chosen or before).changed(name=folder.name, override=False)
    if summarize(folder).state in _UNENDED and begins_at(folder):
        return settings.changed(epochs=before.epochs)
    if not math.isfinite(more_epochs) or more_epochs <= 0:
        raise RunError(f"{more_epochs:g} more epochs train nothing. Choose a number above 0, for example 1.")
    total = math.floor((reached(folder).epoch + more_epochs) * _DECIMALS) / _DECIMALS
    return settings.changed(epochs=max(total, 1 / 1000))


def begins_at(folder: Path) -> int:
    """The update at which the last part of the run in `folder` began; 0 for a run of one part."""
    state = read_state(folder) if folder.is_dir() else None
    return state.begins_at if state is not None else 0


def resumes_a_part(folder: Path, settings: Settings) -> bool:
    """Whether the run was cut off in a part that these settings describe, so that it is resumed."""
    before = stored_settings(folder)
    cut_off = summarize(folder).state in _UNENDED and begins_at(folder) > 0
    return cut_off and before is not None and before.epochs == settings.epochs


def check_further(settings: Settings, found: RunSummary) -> None:
    """Raises:
    RunError: the run is in progress, can't be trained further, or its stop would end it at once.
    """
    name = settings.name
    if found.state in ("running", "running elsewhere"):
        raise BusyError(f'The run "{name}" is in progress. Wait until it has finished, or interrupt it.')
    if found.state == "foreign":
        raise RunError(_not_ours(name), option=(f"--set start_from={name} --set name=NAME",))
    if found.state == "wrong":
        raise RunError(
            f'The run "{name}" went wrong: {found.reason.rstrip(".")}. Start a new run from a checkpoint before that, '
            "with a lower Learning Rate.",
            option=(f"--set start_from={name}/checkpoint-NUMBER --set name=NAME",),
        )
    if found.state not in ("finished", "stopped"):
        raise RunError(f'The run "{name}" is {found.state}. Resume it first.', option=("--existing continue",))
    if found.state == "stopped" and not stops_moved(found.path, settings):
        raise RunError(
            f'The run "{name}" ended by its stop: {found.reason.rstrip(".")}. Change that stop, or it ends again.',
            option=("--set stop_at_loss=0", "--set stop_at_epoch=0", "--set eval_patience=0"),
            setting="stop_at_loss",
        )


def stops_moved(folder: Path, now: Settings) -> bool:
    """Whether a stop is another now than the one that ended the run."""
    before = stored_settings(folder)
    moved = find_continuation(folder).state.get("live", {})
    names = (*LIVE_SETTINGS, "eval_patience")
    return before is None or any(getattr(now, name) != moved.get(name, getattr(before, name)) for name in names)


def find_part(folder: Path, settings: Settings) -> tuple[Continuation, dict[str, Any]]:
    """Where the new part of the run in `folder` begins, and its live values.

    From the checkpoint of the last update; without one from the LoRA itself, with an optimizer that starts fresh: then
    there is no checkpoint, but a state of what the history knows.

    Raises:
        RunError: there is neither.
    """
    there = reached(folder)
    live = {**{name: getattr(settings, name) for name in LIVE_SETTINGS}, "learning_rate_scale": 1.0}
    last = next((c for c in newest_first(folder) if c.update == there.update and c.complete), None)
    if last is not None:
        return as_a_new_part(Continuation(last.path, read_resume_state(last))), live
    return Continuation(None, _known_state(folder, there)), live


def as_a_new_part(continuation: Continuation) -> Continuation:
    """The same, for a run that begins its new part there: its learning rate is scaled by no live change."""
    behaviours = dict(continuation.state.get("behaviours", {}))
    for gone in ("LearningRateScale", "StopAtLoss"):
        behaviours.pop(gone, None)
    return Continuation(continuation.checkpoint, {**continuation.state, "behaviours": behaviours})


def _known_state(folder: Path, there: Reached) -> dict[str, Any]:
    """What the behaviours should remember, as far as the records have it."""
    points = _points(folder)
    losses = points.column("loss")[-_MOST_LOSSES:].tolist()
    log = object_in(folder / "training_log.json")
    tokens = log.get("tokens")
    meter = {
        "losses": [loss for loss in losses if math.isfinite(loss)],
        "elapsed_s": float(points[-1].elapsed_s) if math.isfinite(points[-1].elapsed_s) else 0.0,
        "tokens_seen": tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else 0,
        "padded_tokens_seen": 0,
    }
    saving = {"last_loss": None, "best_eval": None, "epochs_done": int(there.epoch + 1e-9)}
    return {"update": there.update, "epoch": there.epoch, "behaviours": {"Meter": meter, "Checkpoints": saving}}


_MOST_LOSSES = 1000


def part_sentence(plan: Plan, continuation: Continuation, rates: Sequence[float] | None, learning_rate: float) -> str:
    """What the new part will be, with the shape of its schedule."""
    more = plan.own_updates
    epochs = more / plan.updates_per_epoch
    words = (
        f"Trains further from update {plan.begins_at:,} to {plan.total_updates:,}: {more:,} more "
        f"update{'s' if more != 1 else ''} ({epochs:.3g} epoch{'s' if round(epochs, 3) != 1 else ''}). "
        f"The schedule starts again over this part{_shape_words(plan, rates, learning_rate)}. "
    )
    if continuation.checkpoint is not None:
        return f"{words}The optimizer keeps its state ({continuation.checkpoint.name})."
    return (
        f"{words}The optimizer starts fresh: there is no checkpoint of update {plan.begins_at:,}. Save at the end "
        "keeps one."
    )


def _shape_words(plan: Plan, rates: Sequence[float] | None, learning_rate: float) -> str:
    if not rates:
        return ""
    first, most, last = rates[0], max(rates), rates[-1]
    begin = plan.begins_at
    if first == most == last:
        return f": the rate is {learning_rate * most:.3g} throughout"
    peak = begin + 1 + list(rates).index(most)
    parts = [f"{learning_rate * first:.3g} at update {begin + 1:,}"] if first != most else []
    parts += [f"{learning_rate * most:.3g} at update {peak:,}"]
    parts += [f"{learning_rate * last:.3g} at update {plan.total_updates:,}"] if last != most else []
    return f": the rate is {', '.join(parts)}"


def _points(folder: Path) -> Points:
    points = read_history(folder / HISTORY_FILE).points
    return points.at((points.column("update") > 0).nonzero()[0])


def _not_ours(name: str) -> str:
    return f'The LoRA "{name}" has no run of this program to train further. Start a new run from it, under a new name.'
