"""What a tokenizer of `tokenizers` is made of: its steps, its model and its tokens, read in some 50 ms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Tokenizer

Part = dict[str, Any]


@dataclass(frozen=True)
class TokenizerParts:
    """`normalizers`, `pre_tokenizers`: the steps in order, sequences opened, as `tokenizers` writes them in JSON.

    `model`: "BPE", "Unigram", "WordPiece" or "WordLevel". `vocabulary`: the model's tokens and their ids.
    `added`: by id, tokens beside the model's own; `found`: those that text may become before the model sees it, the
    special ones only where they are meant as control tokens.
    `unknown`: the token for what the model lacks.
    """

    normalizers: tuple[Part, ...]
    pre_tokenizers: tuple[Part, ...]
    model: str
    vocabulary: dict[str, int]
    added: dict[int, AddedToken]
    unknown: str | None
    has_byte_fallback: bool
    has_affixes: bool
    found: dict[int, AddedToken]

    @classmethod
    def of(cls, backend: Tokenizer) -> TokenizerParts:
        model = backend.model
        added, specials = backend.get_added_tokens_decoder(), not backend.encode_special_tokens
        affixes = ("continuing_subword_prefix", "end_of_word_suffix")
        return cls(
            normalizers=tuple(_steps(_written(backend.normalizer), "normalizers")),
            pre_tokenizers=tuple(_steps(_written(backend.pre_tokenizer), "pretokenizers")),
            model=type(model).__name__,
            vocabulary=backend.get_vocab(with_added_tokens=False),
            added=added,
            unknown=getattr(model, "unk_token", None),
            has_byte_fallback=bool(getattr(model, "byte_fallback", False)),
            has_affixes=any(getattr(model, name, None) for name in affixes),
            found={number: token for number, token in added.items() if specials or not token.special},
        )


def _written(step: Any) -> Part | None:
    described: Part | None = None if step is None else json.loads(step.__getstate__())
    return described


def _steps(step: Part | None, inner: str) -> Iterator[Part]:
    if step is None:
        return
    if step["type"] == "Sequence":
        for one in step[inner]:
            yield from _steps(one, inner)
    else:
        yield step
