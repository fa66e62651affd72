"""A tokenizer's exact ids for any slice of text, and the tokens that may stand around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from training_pro.text.private_tokenizer import private_copy

Ids = npt.NDArray[np.int32]


class TextEncoder:
    """Text to ids, as `tokenizer` gives them with nothing added and special strings split as plain text.

    `bos_id` and `eos_id` are None where the tokenizer has no such token; `eos_text` is "" then.

    Guarantees: `tokenizer` itself is never changed.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = private_copy(tokenizer)
        self.bos_id: int | None = getattr(tokenizer, "bos_token_id", None)
        self.eos_id: int | None = getattr(tokenizer, "eos_token_id", None)
        self.eos_text = str(getattr(tokenizer, "eos_token", None) or "")

    def encode(self, text: str) -> Ids:
        """The ids of `text` alone."""
        return np.array(self.tokenizer.encode(text), dtype=np.int32)

    def count(self, text: str) -> int:
        """The number of ids of `text` alone."""
        return len(self.tokenizer.encode(text))
