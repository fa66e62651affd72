"""The tokenizer inside the embedded model's GGUF file, in Hugging Face's form. Takes some 5 seconds.

transformers can read it too, but not each release alike: 5.6 makes ``<|im_start|>`` the token that ends a text,
and falls back on ``<unk>`` where 5.23 does not. Read here, the saved model is the same whatever is installed.
Source for the splitting: llama.cpp's pre-tokenizer "smollm" (each digit alone, then GPT-2's pattern).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

CONTROL = 3  # gguf's TokenType.CONTROL


def tokenizer_from_gguf(path: Path, model_max_length: int) -> PreTrainedTokenizerBase:
    """Byte-level BPE with the file's own special tokens and chat template.

    Raises:
        ModelError: the file's tokenizer is of another kind.
    """
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerFast

    fields = {name: field.contents() for name, field in GGUFReader(path).fields.items() if "tokenizer." in name}
    kind = (fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise ModelError(f"{path.name} has a tokenizer of kind {kind}; only ('gpt2', 'smollm') can be read here.")
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
    backend = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
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
