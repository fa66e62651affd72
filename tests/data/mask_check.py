"""Are exactly the assistant's turns trained? Prepared rows against a reference, token by token.

For each row three things are compared with the reference text: the ids, the mask (every token by its own characters),
and the decoded trained tokens. `straddling` rows are right, but a token of theirs holds characters of an answer and of
what stands beside it, so that the decoded text can't be the answer to the letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.data.reference_chats import Pieces
from training_pro.data.samples import RowSamples, Subset

KEPT = 5


@dataclass
class Tally:
    """Counts of rows; `faults` describes the first few that are `wrong`."""

    rows: int = 0
    exact: int = 0
    straddling: int = 0
    wrong: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, verdict: str, row: int) -> None:
        self.rows += 1
        if verdict in ("exact", "straddling"):
            setattr(self, verdict, getattr(self, verdict) + 1)
            return
        self.wrong += 1
        if len(self.faults) < KEPT:
            self.faults.append(f"row {row}: {verdict}")


def checked(train: Any, tokenizer: Any, references: dict[int, Pieces]) -> Tally:
    """The verdict on all samples; `references` has the pieces of each row by the row's number."""
    tally = Tally()
    for index, number in enumerate(numbers_of(train)):
        tally.add(verdict_on(train[index], tokenizer, references[number]), number)
    return tally


def numbers_of(train: Any) -> list[int]:
    """The row number of each sample."""
    assert isinstance(train, Subset) and isinstance(train.whole, RowSamples)
    return [int(train.whole.numbers[index]) for index in train.indices]


def verdict_on(sample: dict[str, Any], tokenizer: Any, pieces: Pieces) -> str:
    """ "exact", "straddling", or what is wrong."""
    text = "".join(piece for piece, _ in pieces)
    wanted = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = wanted["input_ids"], wanted["offset_mapping"]
    trained = np.array([is_trained for piece, is_trained in pieces for _ in piece], bool)
    if sample["input_ids"].tolist() != ids:
        return f"other ids than those of {text[:200]!r}"
    mask = [_token_is_trained(text, trained, start, end) for start, end in offsets]
    mask[0] = False
    found = (sample["labels"] >= 0).tolist()
    if found != mask:
        place = next(i for i, (a, b) in enumerate(zip(found, mask, strict=True)) if a != b)
        return f"token {place} {tokenizer.decode(ids[place])!r} trained: {found[place]}, in {text[:300]!r}"
    decoded = "".join(_decoded(tokenizer, ids, found))
    if decoded == "".join(piece for piece, is_trained in pieces if is_trained):
        return "exact"
    straddles = any(trained[start:end].any() and not trained[start:end].all() for start, end in offsets)
    return "straddling" if straddles else f"decoded is {decoded[:200]!r}"


def _token_is_trained(text: str, trained: Any, start: int, end: int) -> bool:
    """All of its characters are, or one that can be seen is."""
    inside = trained[start:end]
    return bool(inside.all()) or any(mark and not text[start + i].isspace() for i, mark in enumerate(inside))


def _decoded(tokenizer: Any, ids: list[int], mask: list[bool]) -> Iterator[str]:
    run: list[int] = []
    for number, is_trained in [*zip(ids, mask, strict=True), (0, False)]:
        if is_trained:
            run.append(number)
        elif run:
            yield tokenizer.decode(run, clean_up_tokenization_spaces=False)
            run = []
