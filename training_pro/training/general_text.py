"""The general text that shows whether a LoRA forgets, as blocks: the one that ships, or a file of one's own.

Costs the tokenizing of some 4,000 characters.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training_pro.errors import Fault, SettingsError
from training_pro.folders import Folders
from training_pro.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from training_pro.training.loop.batches import TokenBlocks

SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "general.txt"
BLOCK_TOKENS = 256
MOST_CHARACTERS = 20_000  # of a text of one's own; more would cost more and tell the same


def general_text(settings: Settings, folders: Folders) -> str:
    """The text to measure on; "" where none is wanted.

    Raises:
        SettingsError: a file of one's own that can't be read, or is empty.
    """
    if not settings.watch_forgetting:
        return ""
    named = settings.forgetting_text.strip()
    given = Path(named).expanduser()
    path = SHIPPED if not named else given if given.is_absolute() else folders.datasets / named
    try:
        text = path.read_text(encoding="utf-8-sig")[:MOST_CHARACTERS].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _fault(f"The general text {path} can't be read ({reason}).") from None
    if not text:
        raise _fault(f"The general text {path} is empty.")
    return text


def general_blocks(text: str, tokenizer: PreTrainedTokenizerBase, most_tokens: int | None) -> TokenBlocks:
    """The text in blocks of at most `BLOCK_TOKENS`, one after the other, each with a BOS where the model has one."""
    from training_pro.training.loop.batches import TokenBlocks

    lines = text.splitlines(keepends=True)  # a tokenizer warns of a text that is longer than its model's context
    ids = [token for line in tokenizer(lines, add_special_tokens=False)["input_ids"] for token in line]
    first = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    size = max(min(BLOCK_TOKENS, most_tokens or BLOCK_TOKENS) - len(first), 2)
    pieces = [first + ids[start : start + size] for start in range(0, len(ids), size)]
    return TokenBlocks([_block(piece) for piece in pieces if len(piece) > 1])


def _block(ids: list[int]) -> dict[str, np.ndarray]:
    labels = np.array(ids, np.int64)
    labels[0] = -100
    return {"input_ids": np.array(ids, np.int32), "labels": labels}


def _fault(text: str) -> SettingsError:
    way_out = f"{text} Choose a text file of the datasets folder, or leave it empty for the one that ships."
    return SettingsError([Fault(way_out, "forgetting_text", ("--set forgetting_text=", "--set watch_forgetting=off"))])
