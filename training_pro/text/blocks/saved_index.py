"""An encoded text as plain arrays, so that it can be kept and need not be encoded again.

Costs about as much room as the text twice over. The corpus is not part of it: reading it again costs a second
per gigabyte. Stands beside `index_text` on a block's way.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy.typing as npt

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText, SentenceTable
from training_pro.text.blocks.stores import Patches
from training_pro.text.tokenizing.encoding import TextEncoder

Arrays = dict[str, npt.NDArray[Any]]


class IndexStore(Protocol):
    """Keeps one encoded text between calls."""

    def load(self, corpus: Corpus, encoder: TextEncoder) -> IndexedText | None:
        """The text that was stored, or None."""
        ...

    def store(self, text: IndexedText) -> None: ...


def index_arrays(text: IndexedText) -> Arrays:
    """What `restored_index` makes the same text of."""
    patch_ids, patch_ends = text.patches.arrays()
    columns = {f"sentence_{field.name}": getattr(text.sentences, field.name) for field in _columns()}
    own = {"ids": text.ids, "opaque": text.opaque, "forced": text.forced}
    return {**columns, **own, "patch_ids": patch_ids, "patch_ends": patch_ends}


def restored_index(arrays: Arrays, corpus: Corpus, encoder: TextEncoder) -> IndexedText:
    """The text whose `index_arrays` these are."""
    return IndexedText(
        corpus=corpus,
        encoder=encoder,
        ids=arrays["ids"],
        patches=Patches.restored(encoder, arrays["patch_ids"], arrays["patch_ends"]),
        sentences=SentenceTable(**{field.name: arrays[f"sentence_{field.name}"] for field in _columns()}),
        opaque=arrays["opaque"],
        forced=arrays["forced"],
    )


def _columns() -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(SentenceTable)
