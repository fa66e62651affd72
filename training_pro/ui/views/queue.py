"""The queue as HTML, and an experiment's runs over each other. No gradio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training_pro.errors import RunError
from training_pro.queue.entry import Entry
from training_pro.queue.run_queue import QueueView
from training_pro.record.runs import read_run
from training_pro.ui.views.markup import box, hand_button, number, text
from training_pro.ui.views.runs import comparison

HAND = "queue"
UP, DOWN, AGAIN, REMOVE = "up", "down", "again", "remove"
_HEADS = ("", "Name", "Experiment", "State", "Updates", "Last smoothed loss", "How it ended", "")


def queue_table(view: QueueView, percent: int | None = None, editable: bool = True) -> str:
    """The list, a line a run; `percent` is how far the one in progress is. Each line has the buttons that fit it."""
    fault = box("warning", view.fault)
    if not view.entries:
        return f'{fault}<p class="tp-none">The queue is empty. Add runs with "Add to the queue" under Train.</p>'
    lines = "".join(_line(place, entry, percent, editable) for place, entry in enumerate(view.entries, start=1))
    head = "".join(f"<th>{text(name)}</th>" for name in _HEADS)
    return (
        f'{fault}<p class="tp-headline">{text(_headline(view))}</p>'
        '<div class="tp-scroll"><table class="tp-runs tp-queue">'
        f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


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


def _line(place: int, entry: Entry, percent: int | None, editable: bool) -> str:
    running = entry.state == "running" and percent is not None
    updates = f"{entry.updates:,} / {entry.total_updates:,}" if entry.total_updates else "–"
    cells = (
        str(place),
        entry.name,
        entry.experiment or "–",
        f"running, {percent} %" if running else entry.state,
        updates if entry.has_ended else "–",
        number(entry.last_loss) if entry.has_ended else "–",
        entry.reason or "–",
    )
    row = "".join(f"<td>{text(cell)}</td>" for cell in cells)
    buttons = "".join(_button(act, entry) for act in _possible(entry)) if editable else ""
    return f'<tr>{row}<td><span class="tp-row">{buttons}</span></td></tr>'


def _possible(entry: Entry) -> list[str]:
    if entry.state == "waiting":
        return [UP, DOWN, REMOVE]
    if entry.state == "running":
        return []
    return [REMOVE] if entry.state == "finished" else [AGAIN, REMOVE]


def _button(act: str, entry: Entry) -> str:
    words = {UP: "Up", DOWN: "Down", AGAIN: "Queue again", REMOVE: "Remove"}[act]
    return hand_button(words, HAND, f"{act} {entry.key}")
