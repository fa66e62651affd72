"""Tokenizers without a `tokenizers` backend, made to do what rows need: control strings as control tokens, offsets.

Costs a call into the host's tokenizer for each text and piece; exact, not fast.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Pairs = tuple[list[int], list[tuple[int, int]] | None]
_SPACE_MARK = "\u2581"  # SentencePiece's visible space, which some decoders leave in
_LOOK_AHEAD_CHARS = 8


class SlowTokenizer:
    """A copy of the host's tokenizer; only its encoding and decoding are called."""

    def __init__(self, tokenizer: Any, special_texts: Sequence[str]) -> None:
        self._tokenizer = copy.deepcopy(tokenizer)
        self._specials = {text: tokenizer.convert_tokens_to_ids(text) for text in special_texts}
        choice = "|".join(map(re.escape, special_texts))
        self._pattern = re.compile(f"({choice})") if choice else None

    def encode_many(self, texts: Sequence[str], with_offsets: bool) -> list[Pairs]:
        """Ids and offsets of each text; the offsets come whether asked for or not."""
        return [self.encode(text) for text in texts]

    def as_prompt(self, text: str) -> list[int]:
        """The ids with what the tokenizer adds of its own accord."""
        return list(self._tokenizer.encode(text))

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of `text`, and which part of it each of them came from."""
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        position = 0
        for index, part in enumerate(self._pattern.split(text) if self._pattern else [text]):
            if index % 2:
                ids.append(self._specials[part])
                offsets.append((position, position + len(part)))
            elif part:
                found = list(self._tokenizer.encode(part, add_special_tokens=False))
                ids += found
                places = offsets_of([self.decode([number]) for number in found], part)
                offsets += [(position + start, position + end) for start, end in places.tolist()]
            position += len(part)
        return ids, offsets

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, control tokens included."""
        text = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return str(text).replace(_SPACE_MARK, " ")


def offsets_of(pieces: Sequence[str], text: str) -> npt.NDArray[np.int64]:
    """Where each piece stands in `text`, (pieces, 2) code points, found one after the other.

    Guarantees:
        The places are in order and together cover the text up to the last piece that was found: what no
        piece matches (a broken code point, a letter that was normalized) goes to the piece it was lost in.
    """
    offsets = np.zeros((len(pieces), 2), np.int64)
    position = 0
    lost = 0  # the first piece since the last that was found
    for index, piece in enumerate(pieces):
        start, length = _find(piece, text, position, certain=lost == index)
        if start < 0:
            continue
        offsets[lost:index] = position, max(start, position)
        offsets[index] = (position if lost == index else start), start + length
        position, lost = start + length, index + 1
    offsets[lost:] = position, len(text)
    return offsets


def _find(piece: str, text: str, position: int, certain: bool) -> tuple[int, int]:
    """Start and length of `piece` near `position`; (-1, 0) if it isn't there.

    A space that stands before a piece and not in the text is the tokenizer's own. With `certain`, all before
    `position` is accounted for, so that a piece which fits right there is the one.
    """
    bare = piece.removeprefix(" ")
    for wanted in (piece, bare):
        if wanted and text.startswith(wanted, position):
            return position, len(wanted)
    if piece and not bare and certain:
        return position, 0
    start = text.find(piece, position, position + len(piece) + _LOOK_AHEAD_CHARS) if piece else -1
    return (start, len(piece)) if start >= 0 and "\ufffd" not in piece else (-1, 0)
