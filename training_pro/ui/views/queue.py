"""The queue as HTML, and an experiment's runs over each other. No gradio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training_pro.errors import RunError
from training_pro.queue.entry import Entry
from training_pro.queue.run_queue import QueueView
from training_pro.record.runs import read_run
from training_pro.ui.views.markup import box, number, table, text
from training_pro.ui.views.runs import comparison

_HEADS = ("", "Name", "Experiment", "State", "Updates", "Last smoothed loss", "How it ended")


def queue_table(view: QueueView, percent: int | None = None) -> str:
    """The list, a line a run; `percent` is how far the one that goes is."""
    fault = box("warning", view.fault)
    if not view.entries:
        return f'{fault}<p class="tp-none">The queue is empty. Add runs with "Add to the queue" under Train.</p>'
    lines = [_line(place, entry, percent) for place, entry in enumerate(view.entries, start=1)]
    return f'{fault}<p class="tp-headline">{text(_headline(view))}</p>{table(_HEADS, lines)}'


def experiment_view(name: str, folders: Sequence[Path]) -> str:
    """The runs in `folders` compared, under the experiment's name; those that can't be read are named."""
    records, faults = [], []
    for folder in folders:
        try:
            records.append(read_run(folder))
        except RunError as error:
            faults.append(str(error))
    shown = comparison(records) if records else ""
    return f'<p class="tp-headline"><b>{text(name)}</b></p>{box("warning", faults)}{shown}'


def _headline(view: QueueView) -> str:
    count = len(view.waiting)
    waiting = f"{count} run{'s' if count != 1 else ''} wait{'s' if count == 1 else ''}"
    if view.stopping:
        return f"The queue ends after the current run; {waiting}."
    if view.going:
        return f"The queue is running; {waiting}."
    return f"{waiting}. Press Start the queue." if count else "Nothing waits."


def _line(place: int, entry: Entry, percent: int | None) -> tuple[str, ...]:
    running = entry.state == "running" and percent is not None
    updates = f"{entry.updates:,} / {entry.total_updates:,}" if entry.total_updates else "–"
    return (
        str(place),
        entry.name,
        entry.experiment or "–",
        f"running, {percent} %" if running else entry.state,
        updates if entry.has_ended else "–",
        number(entry.last_loss) if entry.has_ended else "–",
        entry.reason or "–",
    )
