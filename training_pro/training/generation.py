"""A greedy answer from a model in training, which leaves the training as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from training_pro.training.randomness import RandomState

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def answer(model: Any, tokenizer: PreTrainedTokenizerBase, prompt: str, max_new_tokens: int) -> str:
    """The greedy continuation of `prompt` by the model with its LoRA as it is; mode and random state are kept."""
    random_state = RandomState.take()
    training = model.training
    model.eval()
    device = model.get_input_embeddings().weight.device
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"].to(device)
    try:
        with torch.no_grad():
            made = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                use_cache=True,
                pad_token_id=_pad(tokenizer),
            )
    finally:
        model.train(training)
        random_state.restore()
    return str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))


def _pad(tokenizer: PreTrainedTokenizerBase) -> int:
    chosen = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(chosen) if chosen is not None else 0
