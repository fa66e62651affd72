"""What a person sees of one block: the very tokens and the very loss mask of the run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.data.tokens import RowTokenizer


@dataclass(frozen=True)
class TokenPreview:
    """`text` is empty where a code point continues in the next token, which then shows it."""

    id: int
    text: str
    special: bool
    trained: bool


@dataclass(frozen=True)
class BlockPreview:
    """One training sample.

    `kind` is packed, overlap, window or row. `number` is the sample's own, from 0. `section` counts from 0 and
    `start`, `end` are code points of the document (text only); `row` is the file's row number (rows and text rows).
    `why` says why it is not trained.
    """

    number: int
    source: str
    kind: str
    text: str
    tokens: tuple[TokenPreview, ...]
    bos: bool
    eos: bool
    section: int | None = None
    start: int | None = None
    end: int | None = None
    row: int | None = None
    why: str = ""

    @property
    def trained(self) -> int:
        """How many of the tokens have a loss."""
        return sum(token.trained for token in self.tokens)


def token_previews(
    ids: npt.NDArray[np.int32], labels: npt.NDArray[np.int64], special: npt.NDArray[np.bool_], tokenizer: RowTokenizer
) -> tuple[TokenPreview, ...]:
    """Each token with its text; all four arrays are (tokens,)."""
    pieces = tokenizer.pieces(ids.tolist())
    return tuple(
        TokenPreview(int(number), piece, bool(is_special), bool(label >= 0))
        for number, piece, is_special, label in zip(ids, pieces, special, labels, strict=True)
    )
