"""From trained places in a text to trained tokens, by the tokens' offsets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def trained_tokens(text: str, offsets: npt.NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> Bools:
    """For each token whether it is trained; `offsets` is (tokens, 2), code points of `text`.

    Guarantees:
        A token that lies wholly within the spans is trained. One that straddles a border is trained if it
        holds any trained character that is not white space. No other token is.
    """
    counts = np.zeros(len(text) + 1, np.int32)
    for start, end in spans:
        counts[start + 1 : end + 1] = 1
    np.cumsum(counts, out=counts)
    starts, ends = offsets[:, 0], offsets[:, 1]
    covered = counts[ends] - counts[starts]
    trained: Bools = (covered == ends - starts) & (ends > starts)
    for index in np.flatnonzero((covered > 0) & ~trained):
        trained[index] = _holds_trained_ink(text, int(starts[index]), int(ends[index]), spans)
    empty = np.flatnonzero(ends == starts)
    trained[empty] = [_is_inside(int(starts[index]), spans) for index in empty]
    return trained


def _holds_trained_ink(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(
        text[max(start, first) : min(end, last)].strip() for first, last in spans if first < end and start < last
    )


def _is_inside(position: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Tokens of no width (a split code point's later bytes, in some tokenizers) go with what surrounds them."""
    return any(first < position <= last for first, last in spans)
