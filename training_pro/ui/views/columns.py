"""The columns of rows whose names say nothing, each with a sample and a list of what it may be. No gradio.

What is chosen goes to the server by the page's script (``assets/hands.js``).
"""

from __future__ import annotations

from collections.abc import Sequence

from training_pro.data.rows.columns import Column
from training_pro.ui.views.markup import text

HAND = "columns"
USE, KEEP = "use", "keep"
LEFT_OUT = "ignore"
ROLE_WORDS = {
    LEFT_OUT: "Leave out",
    "prompt": "Prompt",
    "input": "Input, after the prompt",
    "answer": "Answer",
    "system": "System message",
    "history": "Earlier turns",
    "thoughts": "Thoughts, before the answer",
    "text": "Text to learn as it is",
}


def column_rows(columns: Sequence[Column], roles: Sequence[str]) -> str:
    """A row a column, `roles` chosen, and what can be done with them."""
    rows = "".join(_row(place, column, role) for place, (column, role) in enumerate(zip(columns, roles, strict=True)))
    return (
        f'<p class="tp-small">What is in each column?</p>{rows}<div class="tp-row tp-columns-do">'
        f'<button type="button" class="tp-btn tp-s tp-main" id="tp-columns-use" data-columns="{USE}">Use these columns'
        f'</button><button type="button" class="tp-btn tp-s" id="tp-columns-keep" data-columns="{KEEP}">'
        "Save as Data Format</button></div>"
    )


def _row(place: int, column: Column, role: str) -> str:
    chosen = role if role in ROLE_WORDS else LEFT_OUT
    options = "".join(
        f'<option value="{known}"{" selected" if known == chosen else ""}>{text(words)}</option>'
        for known, words in ROLE_WORDS.items()
    )
    name = text(column.name)
    return (
        f'<div class="tp-column-row"><div class="tp-column" id="tp-column-{place}"><b>{name}</b>'
        f'<span class="tp-soft">{text(column.sample) or "empty"}</span></div>'
        f'<select class="tp-select" id="tp-column-role-{place}" data-column="{name}" aria-label="What {name} is">'
        f"{options}</select></div>"
    )
