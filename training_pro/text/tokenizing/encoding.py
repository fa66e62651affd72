"""A tokenizer's exact ids for any slice of text, and what is known about it: its borders, its tokens' lengths.

Made in about a second, or a tenth of it for a tokenizer that this process knows. It serves the steps sentences ->
blocks -> token ids.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pro.text.tokenizing.cut_trials import find_cut_rule
from training_pro.text.tokenizing.cuts import CutRule
from training_pro.text.tokenizing.private_tokenizer import FastCopy, PlainTokenizer, control_texts, private_copy
from training_pro.text.tokenizing.token_lengths import TokenLengths
from training_pro.text.tokenizing.tokenizer_parts import TokenizerParts

Ids = npt.NDArray[np.int32]
_MOST_RULES = 16
_RULES: dict[bytes, CutRule | None] = {}  # by what a tokenizer is made of; finding one takes most of the time


class TextEncoder:
    """Text to ids, as `tokenizer` gives them with nothing added.

    Special strings are split as plain text, or with `control_tokens` become those tokens. `control_texts` are these
    strings. `cut_strings` cut a text whatever the Hard Cut String is: people write the EOS by hand.

    `bos_id` and `eos_id` are None where the tokenizer has no such token; `eos_text` is "" then. `cut_rule` is None
    where no place is known to be safe to cut at, `token_lengths` where a token's bytes can't be told from its id.

    Guarantees: `tokenizer` itself is never changed.
    """

    def __init__(self, tokenizer: Any, control_tokens: bool = False) -> None:
        self.tokenizer: PlainTokenizer = private_copy(tokenizer, control_tokens)
        self.control_tokens = control_tokens
        self.control_texts = control_texts(tokenizer)
        self.bos_id: int | None = getattr(tokenizer, "bos_token_id", None)
        self.eos_id: int | None = getattr(tokenizer, "eos_token_id", None)
        self.bos_text = str(getattr(tokenizer, "bos_token", None) or "")
        self.eos_text = str(getattr(tokenizer, "eos_token", None) or "")
        self.cut_strings = [self.eos_text] if self.eos_text and not control_tokens else []
        self.cut_rule: CutRule | None = None
        self.token_lengths: TokenLengths | None = None
        if isinstance(self.tokenizer, FastCopy):
            parts = TokenizerParts.of(self.tokenizer.backend)
            self.cut_rule = _cut_rule(self.tokenizer, parts)
            self.token_lengths = TokenLengths.of(parts, self.tokenizer.encode("a")) if self.cut_rule else None

    def without_cuts(self) -> TextEncoder:
        """The same encoder, with no place thought safe to cut at."""
        plain = copy.copy(self)
        plain.cut_rule = plain.token_lengths = None
        return plain

    def encode(self, text: str) -> Ids:
        """The ids of `text` alone."""
        return np.array(self.tokenizer.encode(text), dtype=np.int32)

    def count(self, text: str) -> int:
        """The number of ids of `text` alone."""
        return len(self.tokenizer.encode(text))

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text alone."""
        return self.tokenizer.encode_many(texts)

    def encode_parts(self, texts: Sequence[str], at_start: Sequence[bool]) -> list[list[int]]:
        """The ids of each text alone where `at_start`; else as they are in the middle of a text, after a safe cut."""
        if self.cut_rule is None or not self.cut_rule.left_context:
            return self.encode_many(texts)
        left, dropped = self.cut_rule.left_context, self.cut_rule.left_ids
        led = [text if starts else left + text for text, starts in zip(texts, at_start, strict=True)]
        encoded = self.encode_many(led)
        return [ids if starts else ids[dropped:] for ids, starts in zip(encoded, at_start, strict=True)]


def _cut_rule(tokenizer: FastCopy, parts: TokenizerParts) -> CutRule | None:
    """`find_cut_rule`, once for all equal tokenizers."""
    backend = tokenizer.backend
    key = sha256(f"{backend.encode_special_tokens} {backend.to_str()}".encode("utf-8", "surrogatepass")).digest()
    with suppress(KeyError):
        return _RULES[key]
    if len(_RULES) >= _MOST_RULES:
        _RULES.clear()
    rule = _RULES[key] = find_cut_rule(tokenizer, parts)
    return rule
