"""What the LoRA answered over time, as a filmstrip: a row for each prompt, a column for each update. No gradio."""

from __future__ import annotations

from collections.abc import Sequence

from training_pro.record.history import Event
from training_pro.ui.views.markup import text

MOST_ANSWERS = 40
Answers = dict[str, dict[int, str]]  # by prompt, then by update


def samples_view(events: Sequence[Event]) -> str:
    """The sample events of a run as HTML; "" where there are none."""
    answers = _answers(events)
    if not answers:
        return ""
    updates = sorted({update for row in answers.values() for update in row})
    if len(updates) > MOST_ANSWERS:  # the first and the latest
        updates = [updates[0], *updates[1 - MOST_ANSWERS :]]
    saved = {event.update for event in events if event.kind == "checkpoint"}
    heads = "".join(f"<th>{text(_when(update))}{_saved(update in saved)}</th>" for update in updates)
    rows = "".join(_row(prompt, row, updates) for prompt, row in answers.items())
    return (
        '<div class="tp-samples tp-scroll" tabindex="0" role="region" aria-label="Samples over time">'
        f'<table class="tp-strip-film"><thead><tr><th>Samples over time</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def last_samples(runs: Sequence[tuple[str, Sequence[Event]]]) -> str:
    """The last answers of several runs to each prompt, side by side; each run is a name and its events."""
    found = [(name, _answers(events)) for name, events in runs]
    prompts = dict.fromkeys(prompt for _, answers in found for prompt in answers)
    return "".join(_side_by_side(prompt, found) for prompt in prompts)


def _side_by_side(prompt: str, runs: Sequence[tuple[str, Answers]]) -> str:
    frames = "".join(
        f'<div class="tp-frame"><header><b>{text(name)}</b><span>{text(_when(max(answers[prompt])))}</span></header>'
        f"<p>{_answer(answers[prompt][max(answers[prompt])])}</p></div>"
        for name, answers in runs
        if prompt in answers
    )
    return f'<div class="tp-samples"><h4>{text(prompt)}</h4><div class="tp-film">{frames}</div></div>'


def _answers(events: Sequence[Event]) -> Answers:
    found: Answers = {}
    for event in events:
        if event.kind == "sample":
            prompt, answer = str(event.details.get("prompt", "")), str(event.details.get("answer", ""))
            found.setdefault(prompt, {})[event.update] = answer
    return found


def _row(prompt: str, answers: dict[int, str], updates: Sequence[int]) -> str:
    cells = "".join(f"<td>{_answer(answers[update]) if update in answers else ''}</td>" for update in updates)
    return f'<tr><th scope="row">{text(prompt)}</th>{cells}</tr>'


def _answer(answer: str) -> str:
    return text(answer) or "<i>nothing</i>"


def _saved(saved: bool) -> str:
    return '<i class="tp-mark" title="A checkpoint was saved"></i>' if saved else ""


def _when(update: int) -> str:
    return f"update {update:,}" if update else "before"
