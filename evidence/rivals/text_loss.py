"""Which share of a text comes as far as training, whatever a trainer cuts, joins, shuffles or adds."""

from __future__ import annotations

import re
from collections.abc import Sequence

WINDOW = 48  # characters; shorter ones repeat themselves in a text


def share_trained(source: Sequence[str], trained: Sequence[str]) -> float:
    """The share of the source's characters, white space left out, that were trained. A cut costs nothing; what the
    source says twice counts as trained if it was trained once."""
    pieces, texts = [_packed(piece) for piece in source], [_packed(text) for text in trained]
    runs = {text[at : at + WINDOW] for text in texts for at in range(len(text) - WINDOW + 1)}
    return sum(_found(piece, texts, runs) for piece in pieces) / max(sum(map(len, pieces)), 1)


def _found(piece: str, texts: list[str], runs: set[str]) -> int:
    """Characters of the piece: those in runs that were trained, whole short texts, and what is left beside a cut."""
    if len(piece) < WINDOW:
        return len(piece) if any(piece in text for text in texts) else 0
    found = bytearray(len(piece))
    for at in range(len(piece) - WINDOW + 1):
        if piece[at : at + WINDOW] in runs:
            found[at : at + WINDOW] = b"\x01" * WINDOW
    for short in {text for text in texts if 0 < len(text) < WINDOW}:
        for match in re.finditer(re.escape(short), piece):
            found[match.start() : match.end()] = b"\x01" * len(short)
    for gap in list(re.finditer(b"\x00+", bytes(found))):
        left = piece[gap.start() : gap.end()]
        if any(text.startswith(left) or text.endswith(left) for text in texts):
            found[gap.start() : gap.end()] = b"\x01" * len(left)
    return sum(found)


def _packed(text: str) -> str:
    return "".join(text.split())


def share_of_line_ends(source: str, trained: Sequence[str]) -> float:
    """Trained line ends as a share of the source's; at most 1."""
    return min(sum(text.count("\n") for text in trained) / max(source.count("\n"), 1), 1.0)
