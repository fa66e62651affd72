"""A run's status as HTML: the line at the top of every tab, the run while it trains, and how it ended. No gradio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training_pro.record.history import Event
from training_pro.record.points import Points, thin
from training_pro.training.controls import STOPPED_BY_YOU, Controls, live_words
from training_pro.training.resume import lasting_notes
from training_pro.training.run import Run
from training_pro.training.status import RunStatus
from training_pro.ui.views.chart import sparkline
from training_pro.ui.views.markup import box, icon, megabytes, number, progress_bar, text
from training_pro.words import time_words

_DOING = {
    "waiting": "Waiting",
    "preparing": "Preparing the data",
    "loading": "Loading the model",
    "training": "Training",
    "paused": "Paused",
    "evaluating": "Evaluating",
    "sampling": "Writing samples",
    "saving": "Saving",
    "restoring": "Restoring the model",
}
_SMALL_POINTS = 120
_LESSER = ("Gradient norm", "Elapsed", "Memory")  # not on a phone
_ROSE = (
    "The loss rose: this LoRA is probably worse than the model without it. Use a lower Learning Rate "
    "(1e-4 to 3e-4 is usual) or fewer epochs, and train again."
)
_SIGNS = {"green": "check", "blue": "stop", "red": "alert"}
_RISE = 1.1  # a run that ends this much above its start has gone wrong


def status_line(label: str, memory: str, run: Run | None, stands: str = "", loras: Sequence[str] = ()) -> str:
    """The line at the top of every tab: the run in progress, the model, its memory, and what blocks a run."""
    model = (
        f'<span class="tp-wide-only tp-soft">Model</span> <b>{text(label)}</b>'
        if label
        else f"<b>{text('No model is loaded')}</b>"
    )
    lora = f'<span class="tp-chip tp-blue">with {text(", ".join(loras))}</span>' if loras else ""
    used = f'<span class="tp-sep"></span><span class="tp-num tp-soft">{text(memory)}</span>' if memory else ""
    parts = f'{_run_line(run)}<span class="tp-model">{model}{lora}{used}</span>'
    warning = f'<p class="tp-stands">{icon("alert")}{text(stands)}</p>' if stands else ""
    return f'<div class="tp-status-line" role="status">{parts}</div>{warning}'


def _run_line(run: Run | None) -> str:
    """Name, share, time left, loss, and two buttons that press those of the run's card."""
    if run is None or not run.status.running:
        return ""
    status = run.status
    share = 100 * status.update // status.total_updates if status.total_updates else 0
    loss = (
        f'<span class="tp-wide-only tp-num">loss {number(status.point.smoothed_loss, 2)}</span>' if status.point else ""
    )
    left = (
        f'<span class="tp-num">{time_words(status.remaining_s)} left</span>' if status.remaining_s is not None else ""
    )
    held = run.controls.paused
    pause = ("tp-continue", "Resume", "play") if held else ("tp-pause", "Pause", "pause")
    presses = "" if ends(run.controls) else f"{_press(*pause)}{_press('tp-interrupt', 'Stop', 'stop', 'tp-stop')}"
    return (
        f'<span class="tp-run-line"><i class="tp-pulse"></i><b>{text(status.name)}</b>'
        f'<span class="tp-num">{share} %</span>'
        f"{left}{loss}{presses}</span>"
    )


def ends(controls: Controls) -> bool:
    """Whether nothing can be asked of the run any more."""
    return bool(controls.interrupt_reason or controls.ending)


def _press(target: str, words: str, sign: str, more: str = "") -> str:
    classes = f"tp-btn tp-s tp-i tp-i-{sign} {more}"
    return f'<button type="button" class="{classes}" data-press="{target}">{text(words)}</button>'


def run_status(run: Run | None) -> str:
    """What the page shows of the run in progress, or of the last one."""
    if run is None:
        return ""
    status = run.status
    if status.ending is not None:
        return outcome(run)
    doing = _doing(status)
    parts = [
        '<div class="tp-head"><span class="tp-row"><span class="tp-chip tp-blue"><i class="tp-pulse"></i>'
        f"{text(doing)}</span>"
        f'<b>{text(status.name)}</b><span class="tp-soft tp-wide-only">{text(run_words(run))}</span></span></div>',
        _hero(status),
        _taken(run.controls),
        box("error", status.warnings),
        box("info", status.notes),
    ]
    return f'<div class="tp-run-status" data-phase="{text(status.phase)}">{_bar(status)}{"".join(parts)}</div>'


def run_words(run: Run) -> str:
    """What it learns from, in a few words."""
    settings = run.settings
    files = " + ".join(file for file in (settings.text_file, settings.dataset) if file)
    return f"{files} · rank {settings.rank}"


def outcome(run: Run) -> str:
    """How the run ended: what became of the loss, and where the LoRA is. Green only for a run that learned."""
    status = run.status
    ending = status.ending
    assert ending is not None
    points = _points(run)
    loss, worse, went_wrong = loss_span(points), _rose(points), ending.kind == "wrong"
    saved = ending.kind not in ("failed", "wrong") and run.folder.exists()
    tone = "red" if ended_badly(run) else "blue" if ending.kind == "interrupted" else "green"
    became = "is saved" if saved and has_learned(run) else "was stopped" if saved else ""
    title = f"{status.name} {became or ('went wrong' if went_wrong else 'failed')}"
    spoilt = box("error", _ROSE) if worse and not went_wrong else ""
    warnings = "" if went_wrong else box("error", status.warnings)  # the reason says it
    return (
        f'<div class="tp-run-status" data-phase="ended" data-tone="{tone}"><div class="tp-outcome tp-{tone}">'
        f'<span class="tp-badge">{icon(_SIGNS[tone])}</span><div><h2>{text(title)}</h2>'
        f"<p>{text(_ended_words(run, loss, points))}</p>{_place(run)}</div>"
        f"{_ended_aside(points)}</div>{spoilt}{warnings}{box('info', lasting_notes(status.notes))}</div>"
    )


def _place(run: Run) -> str:
    """Where the LoRA is, if there is anything."""
    return f'<p class="tp-path tp-soft">{text(run.status.folder)}</p>' if run.folder.exists() else ""


def ended_badly(run: Run) -> bool:
    """Whether the run failed, or its LoRA is probably worse than none."""
    ending = run.status.ending
    if ending is None:
        return False
    return ending.kind in ("failed", "wrong") or bool(run.status.warnings) or _rose(_points(run))


def has_learned(run: Run) -> bool:
    """Whether the LoRA is more than its beginning. One that was to continue and did not begin is as it was."""
    return run.history is None or _updates_made(run) > 0


def _updates_made(run: Run) -> int:
    """All updates of the LoRA, those before it continued too."""
    points = _points(run)
    return max(run.status.update, points[-1].update if points else 0)


def _points(run: Run) -> Points | None:
    return run.history.data().points if run.history is not None else None


def _rose(points: Points | None) -> bool:
    loss = loss_span(points)
    return loss is not None and loss[1] > loss[0] * _RISE


def _ended_words(run: Run, loss: tuple[float, float] | None, points: Points | None) -> str:
    """What became of the loss, how long it took, and why it ended."""
    took = time_words(run.status.point.elapsed_s) if run.status.point is not None else ""
    reason = _reason(run)
    why = f"{reason[:1].upper()}{reason[1:]}".rstrip()
    why = why if why.endswith((".", ".)")) else f"{why}."
    if loss is None or points is None:
        return f"{why} It took {took}." if took else why
    became = f"Loss {number(points.column('smoothed_loss')[0], 2)} to {number(loss[1], 2)}"
    return f"{became} in {took}. {why}" if took else f"{became}. {why}"


def _reason(run: Run) -> str:
    """Why it ended; of a run that was stopped by hand also how far it was."""
    status = run.status
    reason = status.ending.reason if status.ending is not None else ""
    if reason != STOPPED_BY_YOU:
        return reason
    if run.history is None:
        return f"{reason} before the training began, so nothing new was learned"
    made = _updates_made(run)
    if not made:
        return f"{reason} before the first update, so nothing was learned"
    of = f"{made:,} of {status.total_updates:,}" if status.total_updates else f"{made:,}"
    return f"{reason} after {of} updates"


def _ended_aside(points: Points | None) -> str:
    """The small curve, and the two ways on that ask nothing of the server."""
    curve = sparkline(thin(points, _SMALL_POINTS).column("smoothed_loss").tolist()) if points is not None else ""
    details = (
        '<button type="button" class="tp-btn tp-s" data-do="details" aria-expanded="false">Chart and details</button>'
    )
    return (
        f'<div class="tp-aside">{curve}<div class="tp-row">{details if curve else ""}'
        '<button type="button" class="tp-btn tp-s" data-do="new-run">New run</button></div></div>'
    )


def loss_span(points: Points | None) -> tuple[float, float] | None:
    """The loss at the start (mean of the first updates) and at the end (smoothed); None without two updates."""
    if points is None or len(points) < 2:
        return None
    losses = points.column("loss")
    first = losses[: max(1, min(5, len(losses) // 2))]
    last = points.column("smoothed_loss")[-1]
    start = float(np.nanmean(first)) if np.isfinite(first).any() else float("nan")
    return (start, float(last)) if np.isfinite(start) and np.isfinite(last) else None


def checkpoint_list(events: Sequence[Event]) -> str:
    """Each checkpoint with its reason, the latest first."""
    found = [event for event in events if event.kind == "checkpoint"]
    if not found:
        return ""
    count = f"{len(found)} checkpoint{'s' if len(found) != 1 else ''}"
    lines = "".join(
        f"<li><b>checkpoint-{text(event.update)}</b> {text(event.text)}</li>" for event in reversed(found[-200:])
    )
    return f'<details class="tp-more"><summary>{count} saved</summary><ul>{lines}</ul></details>'


def _doing(status: RunStatus) -> str:
    done, total, what = status.progress
    if what and status.phase != "training":
        return f"{what} ({done:,} of {total:,})" if total else what
    return _DOING.get(status.phase, status.phase)


def _bar(status: RunStatus) -> str:
    done, total, _ = status.progress
    if status.total_updates:
        done, total = status.update, status.total_updates
    return progress_bar(done, total)


def _hero(status: RunStatus) -> str:
    point, plan = status.point, status.plan
    if plan is None:
        return ""
    loss = number(point.smoothed_loss, 2) if point else "–"
    big = [
        ("Loss, smoothed", loss),
        ("Time left", time_words(status.remaining_s) if status.remaining_s is not None else "–"),
    ]
    small = [("Update", f"{status.update:,} of {plan.total_updates:,}")]
    if point is not None:
        small += [
            ("Epoch", f"{number(point.epoch, 2)} of {plan.epochs:g}"),
            ("Learning rate", number(point.learning_rate)),
            ("Gradient norm", number(point.grad_norm)),
            ("Speed", f"{number(status.tokens_per_s, 0)} tokens/s"),
            ("Elapsed", time_words(point.elapsed_s)),
            ("Memory", megabytes(point.memory_mb)),
        ]
    heros = "".join(f'<div><dt>{name}</dt><dd class="tp-xl">{text(value)}</dd></div>' for name, value in big)
    facts = "".join(
        f'<div class="{"tp-lesser" if name in _LESSER else ""}"><dt>{name}</dt><dd>{text(value)}</dd></div>'
        for name, value in small
        if value not in ("–", "")
    )
    return f'<div class="tp-hero"><dl class="tp-heroes">{heros}</dl><dl class="tp-mini">{facts}</dl></div>'


def _taken(controls: Controls) -> str:
    """What was asked of the trainer and not yet taken over; the values in use stand in the controls below."""
    values, taken = controls.values, controls.taken
    words = []
    if values != taken and not ends(controls):
        words.append(live_words(taken))
        words.append(f"requested: {live_words(values)}; takes effect with the current update")
    if controls.checkpoint_asked:
        words.append("a checkpoint is queued")
    if controls.interrupt_reason:
        words.append("ending with the current batch")
    return f'<p class="tp-taken tp-small tp-soft">{text(" · ".join(words))}</p>' if words else ""
