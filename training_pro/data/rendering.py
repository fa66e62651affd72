"""What a row becomes before it is tokens: one text, and where in it the loss counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from training_pro.data.bad_rows import RowFault
from training_pro.text.sections import unescape

Span = tuple[int, int]


@dataclass(frozen=True)
class RenderedRow:
    """`answers` are the assistant's parts of `text` in code points, their stop strings included.

    `add_bos` and `add_eos` say what is still missing at the ends; `stops` is False where an answer is
    followed by nothing that ends it.
    """

    text: str
    answers: tuple[Span, ...]
    add_bos: bool
    add_eos: bool
    stops: bool


class RowRenderer(Protocol):
    """Turns the rows of one kind into text. `notes` are the sentences to show once it has seen all rows.

    Raises:
        RowFault: from `render`, when the row can't be used.
    """

    def render(self, row: dict[str, Any]) -> RenderedRow: ...

    def notes(self) -> list[str]: ...


def needles(train_only_after: str) -> tuple[str, ...]:
    """What to look for: the string as typed, else with its escapes (``\\n``) understood."""
    return tuple(dict.fromkeys((train_only_after, unescape(train_only_after))))


def trained_spans(row: RenderedRow, loss_on: str, after: Sequence[str]) -> tuple[Span, ...] | None:
    """Where the loss counts; None means everywhere.

    Raises:
        RowFault: the row has no place where it should count.
    """
    if loss_on == "all":
        return None
    if loss_on == "assistant":
        if not any(row.text[start:end].strip() for start, end in row.answers):
            raise RowFault("it has no assistant's turn to train on")
        return row.answers
    for needle in after:
        found = row.text.find(needle)
        if found >= 0:
            return ((found + len(needle), len(row.text)),)
    raise RowFault(f'"Train Only After" is {after[0]!r}, which does not occur in it')
