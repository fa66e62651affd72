"""New words of a LoRA: embeddings with a row for each of them, and the tokenizer that knows them.

Costs a small JSON file; for a LoRA with new words also the copy of the embeddings, and reading a tokenizer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.record.adapter_files import CONFIG_FILE
from training_pro.small_files import object_in

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENIZER_FILE = "tokenizer.json"


def rows_wanted(folder: Path) -> int:
    """How many rows the embeddings must have for the LoRA in `folder`; 0 where it doesn't say."""
    given = object_in(folder / CONFIG_FILE).get("trainable_token_indices")
    lists = given.values() if isinstance(given, dict) else [given]
    ids = [number for ids in lists if isinstance(ids, list) for number in ids if _is_row(number)]
    return max(ids, default=-1) + 1


def _is_row(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 10**8


def make_room(model: PreTrainedModel, folder: Path) -> None:
    """Make the embeddings long enough for the LoRA in `folder`. To be undone by a snapshot.

    Raises:
        ModelError: they are quantized.
    """
    rows = rows_wanted(folder)
    if rows:
        from training_pro.training.model.new_rows import lengthen

        lengthen(model, rows)


def tokenizer_folder(folder: Path) -> Path | None:
    """Where the tokenizer lies that knows the LoRA's new words: in its own folder, or for a checkpoint in its run's."""
    if not rows_wanted(folder):
        return None
    return next((place for place in (folder, folder.parent) if (place / TOKENIZER_FILE).is_file()), None)


def tokenizer_with_words(folder: Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer that knows the new words of the LoRA in `folder`; None for a LoRA without any.

    Raises:
        ValueError, OSError: it can't be read.
    """
    place = tokenizer_folder(folder)
    if place is None:
        return None
    from transformers import AutoTokenizer

    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        place, local_files_only=True, trust_remote_code=False
    )
    return found
