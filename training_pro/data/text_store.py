"""The encoded text of one source in the cache: other overlaps, depths or ends need no new encoding."""

from __future__ import annotations

import numpy as np

from training_pro.data.cache import Entry, PreparedCache
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText
from training_pro.text.blocks.saved_index import index_arrays, restored_index
from training_pro.text.tokenizing.encoding import TextEncoder


class TextStore:
    """The entry `key` of `cache`, which tells of the source's content, the tokenizer and what cuts the text."""

    def __init__(self, cache: PreparedCache, key: str) -> None:
        self._cache, self._key = cache, key

    def load(self, corpus: Corpus, encoder: TextEncoder) -> IndexedText | None:
        """The encoded text of `corpus`, or None if it isn't kept or isn't of just this corpus."""
        found = self._cache.load(self._key)
        if found is None or not np.array_equal(found.arrays["documents"], corpus.starts):
            return None
        return restored_index(found.arrays, corpus, encoder)

    def store(self, text: IndexedText) -> None:
        """Keep `text`, as far as the disk allows."""
        self._cache.store(self._key, Entry({**index_arrays(text), "documents": text.corpus.starts}))
