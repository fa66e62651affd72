"""How many bytes of text each token stands for: with that, ids are placed in the text by adding up."""

from __future__ import annotations

import unicodedata
from typing import Literal

import numpy as np
import numpy.typing as npt

from training_pro.text.tokenizing.tokenizer_parts import TokenizerParts

_META_SPACE = "\u2581"
_NFC: Literal["NFC"] = "NFC"
_BYTES = 256


class TokenLengths:
    """Bytes of text by token id, for tokenizers that keep each byte of the text in one token.

    `by_id` (largest id + 1,) int64; `added_at_start`: bytes that a text's first token stands for beyond the text.
    """

    def __init__(self, by_id: npt.NDArray[np.int64], added_at_start: int, form: str, lost: bytes | None) -> None:
        self.by_id = by_id
        self.added_at_start = added_at_start
        self._form = form
        self._lost = lost  # bytes that no token stands for; None: a token may take in any number of spaces

    @classmethod
    def of(cls, parts: TokenizerParts, ids_of_a: list[int]) -> TokenLengths | None:
        """`ids_of_a`: the ids of the text "a". None: the tokenizer may change text, or lose some and hide it."""
        if parts.model != "BPE" or parts.has_affixes:
            return None
        if any(step["type"] == "ByteLevel" for step in parts.pre_tokenizers):
            form = _byte_level_form(parts)
            lengths = {number: len(token) for token, number in parts.vocabulary.items()}
        else:
            form = _space_symbol_form(parts)
            lengths = {number: _written_length(token) for token, number in parts.vocabulary.items()}
        if form is None:
            return None
        for number, token in parts.added.items():
            lengths[number] = len(token.content.encode())
        by_id = np.zeros(max(lengths) + 1, dtype=np.int64)
        by_id[list(lengths)] = list(lengths.values())
        swallows = any(token.lstrip or token.rstrip for token in parts.found.values())
        lost = None if swallows else b"" if form == _META_SPACE else _bytes_without_token(parts)
        return cls(by_id, int(by_id[ids_of_a].sum()) - 1, form, lost)

    def hold_for(self, text: str) -> bool:
        """Whether the tokenizer leaves this text's characters as they are."""
        if self._form == _META_SPACE:
            return _META_SPACE not in text
        return self._form != _NFC or unicodedata.is_normalized(_NFC, text)

    def most_bytes(self, tokens: int, text: str) -> int | None:
        """More bytes than this of `text`, wherever in it, take more than so many tokens; None: there may be no end."""
        if self._lost is None or not self.hold_for(text):
            return None
        written = text.encode()
        return tokens * int(self.by_id.max()) if len(written.translate(None, self._lost)) == len(written) else None


def _byte_level_form(parts: TokenizerParts) -> str | None:
    knows_all = sum(len(token) == 1 for token in parts.vocabulary) >= _BYTES
    if not knows_all and parts.unknown:  # without such a token an unknown byte is left out, and the sum tells
        return None
    if any(step.get("add_prefix_space") or step.get("behavior") == "Removed" for step in parts.pre_tokenizers):
        return None
    if any(step["type"] != _NFC for step in parts.normalizers):
        return None
    return _NFC if parts.normalizers else ""


def _bytes_without_token(parts: TokenizerParts) -> bytes:
    """The bytes whose symbol a byte-level vocabulary lacks; symbols as GPT-2's `bytes_to_unicode` gives them."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, _BYTES)}
    others = sorted(set(range(_BYTES)) - printable)
    symbols = {byte: chr(byte) for byte in printable} | {byte: chr(_BYTES + n) for n, byte in enumerate(others)}
    return bytes(byte for byte, symbol in sorted(symbols.items()) if symbol not in parts.vocabulary)


def _space_symbol_form(parts: TokenizerParts) -> str | None:
    knows_all = parts.has_byte_fallback and all(f"<0x{byte:02X}>" in parts.vocabulary for byte in range(_BYTES))
    writes_spaces = {"type": "Replace", "pattern": {"String": " "}, "content": _META_SPACE}
    known = all(step == writes_spaces or step["type"] == "Prepend" for step in parts.normalizers)
    splitters = list(parts.pre_tokenizers)
    if writes_spaces in parts.normalizers:  # no space is left to split at
        splitters = [step for step in splitters if step.get("pattern") != {"String": " "}]
    known = known and all(step["type"] == "Metaspace" for step in splitters)
    return _META_SPACE if knows_all and known else None


def _written_length(token: str) -> int:
    is_byte = len(token) == len("<0x00>") and token.startswith("<0x") and token.endswith(">")
    return 1 if is_byte else len(token.replace(_META_SPACE, " ").encode())
