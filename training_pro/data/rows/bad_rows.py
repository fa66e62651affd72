"""What happens to a row that can't be used: one sentence and the end, or a count and the next row."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from training_pro.errors import DataError

KEPT_EXAMPLES = 5
SHOWN_CHARS = 80
REASON_CHARS = 300


class RowFault(Exception):
    """Why one row can't be used; its text is a clause that goes after "row 17:"."""


class Unwanted(RowFault):
    """The row says itself that it is not to be learned."""


def beginning(row: Any, most_chars: int = SHOWN_CHARS) -> str:
    """The first characters of a row, on one line."""
    text = row if isinstance(row, str) else _as_json(row)
    text = " ".join(text[: 4 * most_chars].split())
    return text if len(text) <= most_chars else text[: most_chars - 3] + "..."


def _as_json(row: Any) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return str(type(row).__name__)


@dataclass
class BadRows:
    """Collects the faults of one file; `way` is the setting "stop" or "skip". `unwanted` counts rows that say
    themselves that they are not to be learned. `unread` names lists of the file of which no row was made."""

    file: str
    way: str
    count: int = 0
    unwanted: int = 0
    examples: list[str] = field(default_factory=list)
    unread: tuple[str, ...] = ()

    def unread_notes(self) -> list[str]:
        """A sentence on what of the file was not read, if there is something."""
        return [f"{self.file}: not read: {', '.join(self.unread)[:200]}."] if self.unread else []

    def sentence(self, number: int, reason: str, row: Any) -> str:
        """File, row number, reason and the row's beginning; a reason may have any name of the row in it."""
        reason = beginning(reason, REASON_CHARS)
        return f"{self.file}, row {number}: {reason} (the row begins: {beginning(row)})"

    def reject(self, number: int, reason: str, row: Any) -> None:
        """Count this row, or end here.

        Raises:
            DataError: bad rows are to stop the preparation.
        """
        sentence = self.sentence(number, reason, row)
        if self.way == "stop":
            raise DataError(
                f'{sentence}. Correct the row or set "Bad rows" to skip.',
                option="--set bad_rows=skip",
                setting="bad_rows",
            )
        self.count += 1
        if len(self.examples) < KEPT_EXAMPLES:
            self.examples.append(sentence + ".")

    def broken(self, number: int, reason: str, row: Any) -> None:
        """For a fault after which no further row can be found: keep the whole rows before it, or end here.

        Raises:
            DataError: bad rows are to stop the preparation, or there is no row before.
        """
        sentence = f"{self.sentence(number, reason, row)}. Nothing after it can be read"
        whole = number - 1 - self.count
        before = f"; the {whole:,} {'row' if whole == 1 else 'rows'} before it can be used"
        if self.way == "skip" and whole > 0:
            self.count += 1
            self.examples.insert(0, f"{sentence}{before}.")
            return
        way_out = " Correct the file or download it again"
        if whole <= 0:
            raise DataError(f"{sentence}.{way_out}.")
        raise DataError(
            f'{sentence}{before}.{way_out}, or set "Bad rows" to skip to train on these rows alone.',
            option="--set bad_rows=skip",
            setting="bad_rows",
        )
