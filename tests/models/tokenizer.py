"""A tokenizer of 512 words, trained on a few sentences. Takes some milliseconds."""

from __future__ import annotations

from functools import cache
from typing import Any

TEXT = (
    "A LoRA is a small file that changes how a large model writes. It is trained on texts or on questions with their "
    "answers, and it is put on the model when it is wanted. The model itself stays as it is."
)


@cache
def tiny_tokenizer() -> Any:
    """Byte-level BPE; `<|im_start|>`, `<|im_end|>` and `<|pad|>` are the tokens 0, 1 and 2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|im_start|>", "<|im_end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TEXT], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        model_max_length=256,
    )
