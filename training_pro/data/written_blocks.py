"""A prepared sample written down: as a JSON row for programs, or as text with marks for people to read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from training_pro.data.preview import BlockPreview, TokenPreview
from training_pro.data.samples import KINDS, Samples

OPEN, CLOSE = "\u27e6", "\u27e7"  # around what is trained in a row
_EXPLAINED = (
    "The blocks as they are trained. All of a text's block is trained but its first token; of a row, what stands "
    f"between {OPEN} and {CLOSE}."
)


def as_row(samples: Samples, index: int, with_ends: bool) -> dict[str, Any]:
    """``{"text", "kind", "tokens", "trained"}``; of a row also its number and ``learned``, the trained stretches."""
    kind = KINDS[samples.kinds[index]]
    counts = {"tokens": int(samples.lengths[index]), "trained": int(samples.trained_counts[index])}
    values = {"text": samples.written(index, with_ends), "kind": kind, **counts}
    if kind != "row":
        return values
    block = samples.preview(index)
    learned = [text for text, trained in _stretches(block, with_ends) if trained]
    return {**values, "row": block.row, "learned": learned}


def as_text(samples: Samples, index: int, with_ends: bool) -> str:
    """A heading and the block's text; before the first one, how to read it."""
    block = samples.preview(index)
    where = f"{block.kind} {block.row}" if block.kind == "row" else block.kind
    heading = (
        f"=== {index + 1:,}: {where} of {block.source}, {len(block.tokens):,} tokens, {block.trained:,} trained ==="
    )
    text = samples.written(index, with_ends) if block.kind != "row" else _marked(block, with_ends)
    return f"{'' if index else _EXPLAINED + chr(10) * 2}{heading}\n{text}\n\n"


def _marked(block: BlockPreview, with_ends: bool) -> str:
    return "".join(
        f"{OPEN}{text}{CLOSE}" if trained and text else text for text, trained in _stretches(block, with_ends)
    )


def _stretches(block: BlockPreview, with_ends: bool) -> Iterator[tuple[str, bool]]:
    """Texts of tokens that are alike in being trained or not, and which it is."""
    tokens = block.tokens if with_ends else block.tokens[block.bos : len(block.tokens) - block.eos]
    for trained, alike in groupby(tokens, _is_trained):
        yield "".join(token.text for token in alike), trained


def _is_trained(token: TokenPreview) -> bool:
    return token.trained
