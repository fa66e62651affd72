"""A run's status as HTML: the bar, the numbers, what was taken over, what there is to know. No gradio."""

from __future__ import annotations

from collections.abc import Sequence

from training_pro.record.history import Event
from training_pro.training.controls import Controls, live_words
from training_pro.training.run import Run
from training_pro.training.status import EndKind, RunStatus
from training_pro.ui.views.markup import Tone, box, facts, megabytes, number, progress_bar, text
from training_pro.words import time_words

_DOING = {
    "waiting": "waiting",
    "preparing": "preparing the data",
    "loading": "loading the model",
    "training": "training",
    "paused": "paused",
    "evaluating": "evaluating",
    "sampling": "answering the sample prompts",
    "saving": "saving",
    "restoring": "giving the model back",
}
_TONES: dict[EndKind, Tone] = {"finished": "good", "stopped": "good", "interrupted": "warning", "failed": "error"}


def run_status(run: Run | None) -> str:
    """What the page says of the run that goes, or of the last one."""
    if run is None:
        return '<p class="tp-none">No run yet. Choose a text or a dataset, type a name and press Start.</p>'
    status = run.status
    parts = [_headline(status), _bar(status), _numbers(status)]
    if status.running:
        parts.append(_taken(run.controls))
    parts.append(box("info", status.notes))
    return f'<div class="tp-status" data-phase="{text(status.phase)}">{"".join(parts)}</div>'


def checkpoint_list(events: Sequence[Event]) -> str:
    """Each checkpoint with its reason, the latest first."""
    found = [event for event in events if event.kind == "checkpoint"]
    if not found:
        return ""
    count = f"{len(found)} checkpoint{'s' if len(found) != 1 else ''}"
    lines = "".join(
        f"<li><b>checkpoint-{text(event.update)}</b> {text(event.text)}</li>" for event in reversed(found[-200:])
    )
    return f'<details class="tp-more"><summary>{count} written</summary><ul>{lines}</ul></details>'


def _headline(status: RunStatus) -> str:
    ending = status.ending
    if ending is None:
        done, total, what = status.progress
        doing = f"{what} ({done:,} of {total:,})" if what and total else what or _DOING.get(status.phase, status.phase)
        if status.phase == "sampling" and not status.update:
            doing += ", as it is before the first update"
        return f'<p class="tp-headline"><b>{text(status.name)}</b> · {text(doing)}</p>'
    how = ending.reason if ending.reason.startswith(ending.kind) else f"{ending.kind}, {ending.reason}"
    return box(_TONES[ending.kind], f"{status.name}: {how}") + (f'<p class="tp-path">{text(status.folder)}</p>')


def _bar(status: RunStatus) -> str:
    done, total, _ = status.progress
    if status.total_updates:
        done, total = status.update, status.total_updates
    return progress_bar(done, total)


def _numbers(status: RunStatus) -> str:
    point, plan = status.point, status.plan
    if plan is None:
        return ""
    pairs = [("Update", f"{status.update:,} / {plan.total_updates:,}")]
    if point is not None:
        pairs += [
            ("Epoch", f"{number(point.epoch, 2)} / {plan.epochs:g}"),
            ("Loss", number(point.loss)),
            ("Smoothed", number(point.smoothed_loss)),
            ("Learning rate", number(point.learning_rate)),
            ("Gradient norm", number(point.grad_norm)),
            ("Tokens/s", number(status.tokens_per_s, 0)),
            ("Elapsed", time_words(point.elapsed_s)),
            ("Remaining", time_words(status.remaining_s) if status.running else ""),
            ("Memory", megabytes(point.memory_mb)),
        ]
        pairs = [(name, value) for name, value in pairs if value]
    return facts(pairs)


def _taken(controls: Controls) -> str:
    """What the trainer has taken over of what was asked for."""
    values, taken = controls.values, controls.taken
    words = [live_words(taken)]
    if values != taken:
        words.append(f"asked for: {live_words(values)}; it counts with the update in progress")
    if controls.checkpoint_asked:
        words.append("a checkpoint is queued")
    if controls.interrupt_reason:
        words.append("ending with the batch in progress")
    return f'<p class="tp-taken">{text(" · ".join(words))}</p>'
