"""A byte-level BPE tokenizer small enough to be made anew in every test, with real merges and real offsets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

_LESSONS = (
    "the fox and the hen went to the river. The answer is sixty-one cups, said the goat to the user. ",
    "system user assistant model instruction response input output Below is an instruction. ",
    "What is it called? It is called Grandmother Brass. How many cups? Sixty-one cups.\n\n### Response:\n",
    "naïve café über ß — “quoted” 你好 世界 привет мир 🙂🙃 ",
)
CONTROL = (
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)


@cache
def _trained(specials: tuple[str, ...]) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_LESSONS * 3, trainer)
    return str(tokenizer.to_str())


def tiny_tokenizer(
    template: str | None = None,
    bos: str | None = "<s>",
    eos: str | None = "</s>",
    control: Sequence[str] = CONTROL,
    adds_bos: bool = False,
) -> Any:
    """A fresh tokenizer object; `control` strings are its special tokens beside BOS and EOS."""
    named = {name: text for name, text in (("bos_token", bos), ("eos_token", eos)) if text}
    specials = tuple(dict.fromkeys((*named.values(), *control)))
    backend = Tokenizer.from_str(_trained(specials))
    if adds_bos:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(str(bos), backend.token_to_id(bos))]
        )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, additional_special_tokens=list(control), **named)
    tokenizer.chat_template = template
    return tokenizer
