"""What a row becomes before it is tokens: one text, and where in it the loss counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from training_pro.data.rows.bad_rows import RowFault, Unwanted
from training_pro.errors import DataError
from training_pro.text.sections import unescape

Span = tuple[int, int]


@dataclass(frozen=True)
class RenderedRow:
    """`answers` are the assistant's parts of `text` in code points, their stop strings included.

    `add_bos` and `add_eos` say what is still missing at the ends; `stops` is False where an answer is
    followed by nothing that ends it. `end_stop` is the control token, as it is written, that ends the text but for
    white space, and the answer with it; a trimmed row keeps it. `silent` are answers that the row says are not to be
    learned (``weight: 0``).
    """

    text: str
    answers: tuple[Span, ...]
    add_bos: bool
    add_eos: bool
    stops: bool
    end_stop: str = ""
    silent: tuple[Span, ...] = ()


class RowRenderer(Protocol):
    """Turns the rows of one kind into text. `notes` are the sentences to show once it has seen all rows, `more_rows`
    how many more than its rows it has made, because some were split.

    Raises:
        RowFault: from `render` and `render_all`, when the row can't be used.
    """

    more_rows: int

    def render(self, row: dict[str, Any]) -> RenderedRow:
        """The row as one text."""
        ...

    def render_all(self, row: dict[str, Any]) -> list[RenderedRow]:
        """The row as the texts that are trained: several where it was split."""
        ...

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
            f'"Train on" is assistant and "Train Only After" is {train_only_after[:60]!r}. '
            'Clear the string, or set "Train on" to after.',
            option=("--set loss_on=after", '--set train_only_after=""'),
            setting="loss_on",
        )
    if loss_on == "after" and not train_only_after:
        raise DataError(
            '"Train on" is after, but "Train Only After" is empty. Type the string, or train on all.',
            option=("--set train_only_after=STRING", "--set loss_on=all"),
            setting="train_only_after",
        )
    if not train_only_after:
        return LossPlace(loss_on)
    return LossPlace("after", tuple(dict.fromkeys((train_only_after, unescape(train_only_after)))))


def trained_spans(row: RenderedRow, loss: LossPlace) -> tuple[Span, ...] | None:
    """Where the loss counts; None means everywhere.

    Raises:
        RowFault: the row has no place where it should count.
    """
    spans = _asked_spans(row, loss)
    if not row.silent:
        return spans
    left = _without(((0, len(row.text)),) if spans is None else spans, row.silent)
    loud = _without(row.answers, row.silent)
    if not any(row.text[start:end].strip() for start, end in loud):
        raise Unwanted("every answer in it is marked as not to be learned")
    return left


def _asked_spans(row: RenderedRow, loss: LossPlace) -> tuple[Span, ...] | None:
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


def _without(spans: Iterable[Span], holes: Sequence[Span]) -> tuple[Span, ...]:
    """The spans less the holes; both are in order and do not overlap among themselves."""
    left = list(spans)
    for first, last in holes:
        left = [
            part
            for start, end in left
            for part in ((start, min(end, first)), (max(start, last), end))
            if part[0] < part[1]
        ]
    return tuple(left)


class _Ends(Protocol):
    @property
    def eos_text(self) -> str: ...


def joined_segments(segments: Sequence[tuple[str, bool]], tokenizer: _Ends, add_eos: bool) -> RenderedRow:
    """A row that brings its own text in pieces, each with whether it is trained."""
    text = "".join(piece for piece, _ in segments)
    trained: list[Span] = []
    silent: list[Span] = []
    position = 0
    for piece, is_trained in segments:
        (trained if is_trained else silent).append((position, position + len(piece)))
        position += len(piece)
    if not any(text[start:end].strip() for start, end in trained):
        raise Unwanted("none of its segments is marked to be trained")
    ends = bool(tokenizer.eos_text) and text.rstrip().endswith(tokenizer.eos_text)
    return RenderedRow(text, tuple(trained), False, add_eos and not ends, ends or add_eos, silent=tuple(silent))
