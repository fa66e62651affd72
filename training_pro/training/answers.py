"""Several prompts answered at once by a model as it is, for work that asks it many things.

A batch costs little more than one answer on a card, and saves a third on a processor. Mode and random state are kept;
weights are not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from training_pro.training.behaviours.samples import pad_of, room_tokens
from training_pro.training.loop.random_state import RandomState

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def answers(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
    done: Callable[[str], bool],
    stop: Callable[[], bool],
) -> list[str]:
    """The likeliest continuation of each prompt, which is whole text with its control tokens; one string a prompt.

    `done(text so far)` ends one answer, `stop()` all of them, asked before each token. Of a prompt that leaves no room
    in the model's context the end is taken.
    """
    random_state, training = RandomState.take(), model.training
    model.eval()
    ids, mask = _padded(model, tokenizer, prompts, max_new_tokens)
    ended = _Ended(tokenizer, ids.shape[1], done, stop)
    try:
        with torch.no_grad():
            made = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                use_cache=True,
                stopping_criteria=[ended],
                pad_token_id=pad_of(tokenizer),
            )
    finally:
        model.train(training)
        random_state.restore()
    return [str(text) for text in tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)]


def _padded(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], max_new_tokens: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """ids and attention mask (prompts, longest), padded on the left."""
    room = room_tokens(model, max_new_tokens)
    rows = [tokenizer(prompt, add_special_tokens=False)["input_ids"][-room:] for prompt in prompts]
    longest, pad = max(map(len, rows)), pad_of(tokenizer)
    device = model.get_input_embeddings().weight.device
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


class _Ended:
    """A stopping criterion that looks at the text of each answer."""

    def __init__(self, tokenizer: Any, start: int, done: Callable[[str], bool], stop: Callable[[], bool]) -> None:
        self._tokenizer = tokenizer
        self._start = start
        self._done = done
        self._stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        if self._stop():
            return torch.ones(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)
        texts = self._tokenizer.batch_decode(input_ids[:, self._start :], skip_special_tokens=True)
        return torch.tensor([self._done(text) for text in texts], dtype=torch.bool, device=input_ids.device)
