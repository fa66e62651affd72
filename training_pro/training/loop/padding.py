"""With which token batches are padded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def pad_id(tokenizer: PreTrainedTokenizerBase, rows: int) -> int:
    """The tokenizer's own padding; else its EOS or 0: padded positions are masked and have no loss.

    `rows` is how many tokens the model has embeddings for: a padding token that was added to the tokenizer alone is
    not used.
    """
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(candidate, int) and 0 <= candidate < rows:
            return candidate
    return 0
