"""Whether each token of the data has a row in the model's embeddings.

Folders are about whose tokenizer has more tokens than the model: on the CPU such a token ends a run with an error of
indices, on a card it spoils the whole process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training_pro.training.model.new_words import new_words_of
from training_pro.training.owner import Trainable

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from training_pro.data.samples import Samples


def embedding_rows(model: PreTrainedModel) -> int:
    """How many tokens the model knows."""
    return int(model.get_input_embeddings().weight.shape[0])


def vocabulary_fault(loaded: Trainable, *data: Samples | None) -> str:
    """The sentence on the first token of the data that the model does not know; "" for none. New words get their rows
    when the run begins.

    Costs a look at the tokenizer; only where that has more tokens than the model, one at each block.
    """
    tokenizer = loaded.tokenizer
    rows = max(embedding_rows(loaded.model), new_words_of(loaded).rows)
    if max(tokenizer.get_vocab().values(), default=0) < rows:
        return ""
    for samples in data:
        for number in range(len(samples) if samples is not None else 0):
            assert samples is not None
            largest = int(samples[number]["input_ids"].max(initial=0))
            if largest >= rows:
                return (
                    f"Block {number + 1} has the token {largest} ({tokenizer.convert_ids_to_tokens(largest)!r}), and "
                    f"the model knows only {rows}; load the model with its own tokenizer."
                )
    return ""
