"""The tokenizer inside the embedded model's GGUF file, in Hugging Face's form. Takes some 5 seconds.

transformers can read it too, but releases differ: 5.6 makes ``<|im_start|>`` the token that ends a text,
and falls back on ``<unk>`` where 5.23 does not. Read here, the saved model is the same whatever is installed.
Source for the splitting: llama.cpp's pre-tokenizer "smollm" (each digit alone, then GPT-2's pattern).
"""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError
from training_pro.words import reason_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

CONTROL = 3  # gguf's TokenType.CONTROL
# What gguf raises for a broken file.
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError, RecursionError)


def tokenizer_from_gguf(path: Path, model_max_length: int) -> PreTrainedTokenizerBase:
    """Byte-level BPE with the file's own special tokens and chat template.

    Raises:
        ModelError: the file is broken, or its tokenizer is of another kind.
    """
    try:
        fields = _fields(path)
        kind = (fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre"))
        if kind != ("gpt2", "smollm"):
            shown = reprlib.repr(kind)
            raise ModelError(f"{path.name} has a tokenizer of kind {shown}; only ('gpt2', 'smollm') can be read here.")
        return _tokenizer(fields, model_max_length)
    except _BROKEN as error:
        reason = reason_of(error, 160)
        raise ModelError(
            f"{path.name} can't be read as a GGUF file with a tokenizer ({reason}); download it again."
        ) from error


def _fields(path: Path) -> dict[str, Any]:
    import numpy as np
    from gguf import GGUFReader

    class Bounded(GGUFReader):
        """gguf reads past the file's end what is then empty, for as many entries as a broken length says."""

        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
            if offset + np.dtype(dtype).itemsize * int(count) > len(self.data):
                raise ValueError("it ends too early")
            return super()._get(offset, dtype, count, override_order)

    return {name: field.contents() for name, field in Bounded(path).fields.items() if "tokenizer." in name}


def _tokenizer(fields: dict[str, Any], model_max_length: int) -> PreTrainedTokenizerBase:
    from transformers import PreTrainedTokenizerFast

    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    return PreTrainedTokenizerFast(
        tokenizer_object=_byte_level_bpe(tokens, fields),
        bos_token=tokens[fields["tokenizer.ggml.bos_token_id"]],
        eos_token=tokens[fields["tokenizer.ggml.eos_token_id"]],
        pad_token=tokens[fields["tokenizer.ggml.padding_token_id"]],
        unk_token=tokens[fields["tokenizer.ggml.unknown_token_id"]],
        chat_template=fields["tokenizer.chat_template"],
        model_max_length=model_max_length,
        clean_up_tokenization_spaces=False,
    )


def _byte_level_bpe(tokens: list[str], fields: dict[str, Any]) -> Tokenizer:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    merges = [(left, right) for left, right in (merge.split(" ") for merge in fields["tokenizer.ggml.merges"])]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    strange = next((pair for pair in merges if not vocabulary.keys() >= {*pair, "".join(pair)}), None)
    if strange:
        raise ValueError(f"it merges {strange[0][:40]!r} and {strange[1][:40]!r}, of which it has no tokens")
    backend = Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    backend.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind == CONTROL
        ]
    )
    return backend
