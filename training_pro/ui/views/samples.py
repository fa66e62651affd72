"""What the LoRA answered over time: for each prompt its answers side by side, oldest first. No gradio."""

from __future__ import annotations

from collections.abc import Sequence

from training_pro.record.history import Event
from training_pro.ui.views.markup import text

MOST_ANSWERS = 40


def samples_view(events: Sequence[Event]) -> str:
    """The sample events of a run as HTML; "" where there are none."""
    by_prompt: dict[str, list[tuple[int, str]]] = {}
    for event in events:
        if event.kind == "sample":
            prompt, answer = str(event.details.get("prompt", "")), str(event.details.get("answer", ""))
            by_prompt.setdefault(prompt, []).append((event.update, answer))
    return "".join(_row(prompt, answers) for prompt, answers in by_prompt.items())


def _row(prompt: str, answers: list[tuple[int, str]]) -> str:
    chosen = answers if len(answers) <= MOST_ANSWERS else [*answers[:1], *answers[1 - MOST_ANSWERS :]]
    cards = "".join(
        f'<div class="tp-frame"><header><b>{_when(update)}</b></header><p>{text(answer) or "<i>nothing</i>"}</p></div>'
        for update, answer in chosen
    )
    return f'<div class="tp-samples"><h4>{text(prompt)}</h4><div class="tp-film">{cards}</div></div>'


def _when(update: int) -> str:
    return f"update {update:,}" if update else "before"
