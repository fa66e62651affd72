"""Which share of a text comes as far as training, whatever a trainer cuts, joins, shuffles or adds."""

from __future__ import annotations

from collections.abc import Sequence

WINDOW = 48  # characters; shorter ones repeat themselves in a text


def share_trained(source: Sequence[str], trained: Sequence[str]) -> float:
    """The share of the source's characters, white space left out, that lie in a run of `WINDOW` characters that was
    trained. A cut costs nothing; of a piece shorter than the window, all or nothing counts."""
    pieces = ["".join(piece.split()) for piece in source]
    whole = ["".join(text.split()) for text in trained]
    sizes = {min(WINDOW, len(piece)) for piece in pieces if piece}
    seen = {size: {text[at : at + size] for text in whole for at in range(len(text) - size + 1)} for size in sizes}
    found = sum(_found(piece, seen[min(WINDOW, len(piece))]) for piece in pieces if piece)
    return found / max(sum(map(len, pieces)), 1)


def _found(piece: str, seen: set[str]) -> int:
    size, up_to, count = min(WINDOW, len(piece)), 0, 0
    for at in range(len(piece) - size + 1):
        if piece[at : at + size] in seen:
            count += at + size - max(up_to, at)
            up_to = at + size
    return count


def share_of_line_ends(source: str, trained: Sequence[str]) -> float:
    """Trained line ends as a share of the text's; at most 1."""
    return min(sum(text.count("\n") for text in trained) / max(source.count("\n"), 1), 1.0)
