from functools import partial
from typing import Any
from unittest.mock import patch

from tests.data.tiny import tiny_tokenizer
from training_pro.text.blocks import slicing as slicing_module
from training_pro.text.blocks.budget import Slicing
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText
from training_pro.text.blocks.saved_index import index_arrays, restored_index
from training_pro.text.blocks.slicing import index_identity, slice_documents
from training_pro.text.blocks.stretches import Stretches
from training_pro.text.tokenizing.encoding import TextEncoder

ENCODER = TextEncoder(tiny_tokenizer())
TEXTS = ["The fox ran. " * 30 + "\n\n\nNaïve 🙂 hens sat; " * 20, "It is called Brass. " + "x" * 300 + ". So it was."]


class Memory:
    """Keeps what a file would keep: the arrays alone."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def load(self, corpus: Corpus, encoder: TextEncoder) -> IndexedText | None:
        return restored_index(self.kept, corpus, encoder) if self.kept else None

    def store(self, text: IndexedText) -> None:
        self.kept = {name: values.copy() for name, values in index_arrays(text).items()}


def test_a_restored_text_gives_the_same_blocks():
    memory = Memory()
    for slicing in (Slicing(32), Slicing(32, overlap=False), Slicing(32, dementor=True), Slicing(32, eos="none")):
        fresh = slice_documents(TEXTS, slicing, ENCODER)
        kept = slice_documents(TEXTS, slicing, ENCODER, index=memory)
        again = slice_documents(TEXTS, slicing, ENCODER, index=memory)
        for other in (kept, again):
            assert other.report == fresh.report and len(other) == len(fresh)
            assert all(other.block(i) == fresh.block(i) for i in range(len(fresh)))
            assert all((other.ids(i) == fresh.ids(i)).all() for i in range(len(fresh)))


def test_a_restored_text_counts_the_same_split_sentences():
    memory, long = Memory(), ["word after word and so on " * 30 + "ends."]
    with patch.object(slicing_module, "Stretches", partial(Stretches, stretch_bytes=50)):
        fresh = slice_documents(long, Slicing(6), ENCODER, index=memory)
    again = slice_documents(long, Slicing(6), ENCODER, index=memory)
    assert again.report == fresh.report
    assert again.report.split_sentences == 1 and len(memory.kept["forced"]) > 1


def test_the_identity_tells_what_changes_the_encoding():
    same = {index_identity(slicing, ENCODER) for slicing in (Slicing(32), Slicing(32, dementor=True, eos="cut"))}
    assert len(same) == 1
    assert index_identity(Slicing(32, hard_cut="\n"), ENCODER) not in same
    assert index_identity(Slicing(64), ENCODER) not in same
    assert index_identity(Slicing(32, abbreviations=frozenset({"obst"})), ENCODER) not in same
