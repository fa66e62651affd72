"""What a row becomes before it is tokens: one text, and where in it the loss counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from training_pro.data.rows.bad_rows import RowFault
from training_pro.errors import DataError
from training_pro.text.sections import unescape

Span = tuple[int, int]


@dataclass(frozen=True)
class RenderedRow:
    """`answers` are the assistant's parts of `text` in code points, their stop strings included.

    `add_bos` and `add_eos` say what is still missing at the ends; `stops` is False where an answer is
    followed by nothing that ends it. `end_stop` is the control token, as it is written, that ends the text but for
    white space, and the answer with it; a trimmed row keeps it.
    """

    text: str
    answers: tuple[Span, ...]
    add_bos: bool
    add_eos: bool
    stops: bool
    end_stop: str = ""


class RowRenderer(Protocol):
    """Turns the rows of one kind into text. `notes` are the sentences to show once it has seen all rows.

    Raises:
        RowFault: from `render`, when the row can't be used.
    """

    def render(self, row: dict[str, Any]) -> RenderedRow: ...

    def notes(self) -> list[str]: ...


@dataclass(frozen=True)
class LossPlace:
    """Where the loss counts: `place` is all, assistant or after; `needles` are the ways to read Train Only After."""

    place: str
    needles: tuple[str, ...] = ()


def loss_place(loss_on: str, train_only_after: str) -> LossPlace:
    """The place two settings ask for. A string that was typed is meant: it wins over "all".

    Raises:
        DataError: "after" without a string, or a string together with "assistant".
    """
    if loss_on == "assistant" and train_only_after:
        raise DataError(
            f'"Train on" is assistant and "Train Only After" is {train_only_after[:60]!r}; '
            'clear the string, or set "Train on" to after.'
        )
    if loss_on == "after" and not train_only_after:
        raise DataError('"Train on" is after, but "Train Only After" is empty; write the string, or train on all.')
    if not train_only_after:
        return LossPlace(loss_on)
    return LossPlace("after", tuple(dict.fromkeys((train_only_after, unescape(train_only_after)))))


def trained_spans(row: RenderedRow, loss: LossPlace) -> tuple[Span, ...] | None:
    """Where the loss counts; None means everywhere.

    Raises:
        RowFault: the row has no place where it should count.
    """
    if loss.place == "all":
        return None
    if loss.place == "assistant":
        if not any(row.text[start:end].strip() for start, end in row.answers):
            raise RowFault("it has no assistant's turn to train on")
        return row.answers
    for needle in loss.needles:
        found = row.text.find(needle)
        if found >= 0 and not row.text[found + len(needle) :].strip():
            raise RowFault(f'nothing follows "Train Only After" ({needle!r}) in it')
        if found >= 0:
            return ((found + len(needle), len(row.text)),)
    raise RowFault(f'"Train Only After" is {loss.needles[0]!r}, which does not occur in it')
