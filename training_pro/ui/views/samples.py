"""What the LoRA answered over time, as a filmstrip for each prompt, from before the run to its end. No gradio."""

from __future__ import annotations

from collections.abc import Container, Sequence

from training_pro.record.history import Event
from training_pro.ui.views.markup import text

MOST_ANSWERS = 40
Answers = dict[str, dict[int, str]]  # by prompt, then by update


def samples_view(events: Sequence[Event]) -> str:
    """The sample events of a run as HTML; "" where there are none."""
    answers = _answers(events)
    if not answers:
        return ""
    saved = {event.update for event in events if event.kind == "checkpoint"}
    films = "".join(_film(prompt, row, saved) for prompt, row in answers.items())
    return f'<div class="tp-samples"><h3>Samples over time</h3>{films}</div>'


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


def _film(prompt: str, answers: dict[int, str], saved: Container[int]) -> str:
    """The answers to one prompt, the first and the latest of them."""
    updates = sorted(answers)
    if len(updates) > MOST_ANSWERS:
        updates = [updates[0], *updates[1 - MOST_ANSWERS :]]
    frames = "".join(
        f'<div class="tp-frame"><header><b>{text(_when(update))}</b>{_saved(update in saved)}</header>'
        f"<p>{_answer(answers[update])}</p></div>"
        for update in updates
    )
    return (
        f'<p class="tp-prompt">{text(prompt)}</p><div class="tp-film" tabindex="0" role="region" '
        f'aria-label="Answers to {text(prompt)}">{frames}</div>'
    )


def _answer(answer: str) -> str:
    return text(answer) if answer.strip() else "<i>nothing</i>"


def _saved(saved: bool) -> str:
    return "<span>checkpoint</span>" if saved else ""


def _when(update: int) -> str:
    return f"update {update:,}" if update else "before"
