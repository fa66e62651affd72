"""A tokenizer's exact ids for any slice of text, and what is known about it: its borders, its tokens' lengths.

Made once per tokenizer in about a second. It serves the steps sentences -> blocks -> token ids.
"""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pro.text.cuts import CutRule, find_cut_rule, parts_of
from training_pro.text.private_tokenizer import FastCopy, PlainTokenizer, private_copy

Ids = npt.NDArray[np.int32]

_META_SPACE = "\u2581"
_BYTES = 256


class TextEncoder:
    """Text to ids, as `tokenizer` gives them with nothing added and special strings split as plain text.

    `bos_id` and `eos_id` are None where the tokenizer has no such token; `eos_text` is "" then. `cut_rule` is None
    where no place is known to be safe to cut at, `token_lengths` where a token's bytes can't be told from its id.

    Guarantees: `tokenizer` itself is never changed.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer: PlainTokenizer = private_copy(tokenizer)
        self.bos_id: int | None = getattr(tokenizer, "bos_token_id", None)
        self.eos_id: int | None = getattr(tokenizer, "eos_token_id", None)
        self.eos_text = str(getattr(tokenizer, "eos_token", None) or "")
        self.cut_rule: CutRule | None = None
        self.token_lengths: TokenLengths | None = None
        if isinstance(self.tokenizer, FastCopy):
            described = self.tokenizer.description()
            self.cut_rule = find_cut_rule(self.tokenizer, described)
            self.token_lengths = TokenLengths.of(self.tokenizer, described) if self.cut_rule else None

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


class TokenLengths:
    """How many bytes of text each token stands for, where that is fixed.

    `by_id` (largest id + 1,) int64; `added_at_start`: bytes that a text's first token stands for beyond the text.
    """

    def __init__(self, by_id: npt.NDArray[np.int64], added_at_start: int, form: str) -> None:
        self.by_id = by_id
        self.added_at_start = added_at_start
        self._form = form

    @classmethod
    def of(cls, tokenizer: FastCopy, described: dict[str, Any]) -> TokenLengths | None:
        """None: the tokenizer may change the text, or has tokens for what it doesn't know."""
        if described["model"]["type"] != "BPE" or described["model"].get("continuing_subword_prefix"):
            return None
        if described["model"].get("end_of_word_suffix"):
            return None
        normalizers = list(parts_of(described["normalizer"], "normalizers"))
        pre_tokenizers = list(parts_of(described["pre_tokenizer"], "pretokenizers"))
        vocabulary: dict[str, int] = described["model"]["vocab"]
        if any(part["type"] == "ByteLevel" for part in pre_tokenizers):
            form = _byte_level_form(normalizers, pre_tokenizers, described["model"])
            lengths = {number: len(token) for token, number in vocabulary.items()}
        else:
            form = _space_symbol_form(normalizers, pre_tokenizers, described["model"])
            lengths = {number: _written_length(token) for token, number in vocabulary.items()}
        if form is None:
            return None
        for token in described["added_tokens"]:
            lengths[token["id"]] = len(token["content"].encode())
        by_id = np.zeros(max(lengths) + 1, dtype=np.int64)
        by_id[list(lengths)] = list(lengths.values())
        return cls(by_id, int(by_id[tokenizer.encode("a")].sum()) - 1, form)

    def hold_for(self, text: str) -> bool:
        """Whether the tokenizer leaves this text's characters as they are."""
        if self._form == _META_SPACE:
            return _META_SPACE not in text
        return not self._form or unicodedata.is_normalized("NFC", text)


def _byte_level_form(
    normalizers: list[dict[str, Any]], pre_tokenizers: list[dict[str, Any]], model: dict[str, Any]
) -> str | None:
    knows_all = sum(len(token) == 1 for token in model["vocab"]) >= _BYTES
    if not knows_all and model.get("unk_token"):  # without one, an unknown byte is left out, and the sum shows it
        return None
    if any(part.get("add_prefix_space") for part in pre_tokenizers):
        return None
    if any(part["type"] == "Split" and part["behavior"] == "Removed" for part in pre_tokenizers):
        return None
    if any(part["type"] != "NFC" for part in normalizers):
        return None
    return "NFC" if normalizers else ""


def _space_symbol_form(
    normalizers: list[dict[str, Any]], pre_tokenizers: list[dict[str, Any]], model: dict[str, Any]
) -> str | None:
    knows_all = model.get("byte_fallback") and all(f"<0x{byte:02X}>" in model["vocab"] for byte in range(_BYTES))
    writes_spaces = {"type": "Replace", "pattern": {"String": " "}, "content": _META_SPACE}
    known = all(part == writes_spaces or part["type"] == "Prepend" for part in normalizers)
    if writes_spaces in normalizers:  # no space is left to split at
        pre_tokenizers = [part for part in pre_tokenizers if part.get("pattern") != {"String": " "}]
    known = known and all(part["type"] == "Metaspace" for part in pre_tokenizers)
    return _META_SPACE if knows_all and known else None


def _written_length(token: str) -> int:
    is_byte = len(token) == len("<0x00>") and token.startswith("<0x") and token.endswith(">")
    return 1 if is_byte else len(token.replace(_META_SPACE, " ").encode())
