from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from tests.data.tiny import tiny_tokenizer
from training_pro.progress import no_progress
from training_pro.text.blocks import slicing as slicing_module
from training_pro.text.blocks.budget import Slicing
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.indexed_text import IndexedText
from training_pro.text.blocks.slicing import blocks_of, encoded_text, encoding_identity, slice_documents
from training_pro.text.blocks.stretches import Stretches
from training_pro.text.tokenizing.encoding import TextEncoder

ENCODER = TextEncoder(tiny_tokenizer())
TEXTS = ["The fox ran. " * 30 + "\n\n\nNaïve 🙂 hens sat; " * 20, "It is called Brass. " + "x" * 300 + ". So it was."]


def encoded(texts: list[str], slicing: Slicing) -> IndexedText:
    return encoded_text(Corpus.of_texts(texts), slicing, ENCODER, no_progress)


def restored(kept: dict[str, Any], texts: list[str]) -> IndexedText | None:
    arrays = {name: values.copy() for name, values in kept.items()}  # as a file would give them back
    return IndexedText.restored(arrays, Corpus.of_texts(texts), ENCODER)


def test_a_restored_text_gives_the_same_blocks() -> None:
    kept = encoded(TEXTS, Slicing(32)).arrays()
    for slicing in (Slicing(32), Slicing(32, overlap=False), Slicing(32, dementor=True), Slicing(32, eos="none")):
        fresh = slice_documents(TEXTS, slicing, ENCODER)
        again = blocks_of(restored(kept, TEXTS), slicing, no_progress)
        assert again.report == fresh.report and len(again) == len(fresh)
        assert all(again.block(i) == fresh.block(i) for i in range(len(fresh)))
        assert all((again.ids(i) == fresh.ids(i)).all() for i in range(len(fresh)))
        assert again.digest() == fresh.digest()


def test_what_was_kept_of_other_documents_is_not_used() -> None:
    kept = encoded(TEXTS, Slicing(32)).arrays()
    assert restored(kept, [*TEXTS, "One more."]) is None


def test_a_restored_text_counts_the_same_split_sentences() -> None:
    long = ["word after word and so on " * 30 + "ends."]
    with patch.object(slicing_module, "Stretches", partial(Stretches, stretch_bytes=50)):
        text = encoded(long, Slicing(6))
    fresh = blocks_of(text, Slicing(6), no_progress)
    again = blocks_of(restored(text.arrays(), long), Slicing(6), no_progress)
    assert again.report == fresh.report
    assert again.report.split_sentences == 1 and len(text.forced) > 1


@pytest.mark.parametrize("changes", [{"max_tokens": 48}, {"hard_cut": "!"}, {"abbreviations": frozenset({"brass"})}])
def test_other_blocks_have_another_digest(changes: dict[str, Any]) -> None:
    texts = ["The fox ran! It was Brass. Then it sat. " * 12]
    digests = [
        slice_documents(texts, slicing, ENCODER).digest() for slicing in (Slicing(32), replace(Slicing(32), **changes))
    ]
    assert digests[0] != digests[1]


def test_the_identity_tells_what_changes_the_encoding() -> None:
    same = {encoding_identity(slicing, ENCODER) for slicing in (Slicing(32), Slicing(32, dementor=True, eos="cut"))}
    assert len(same) == 1
    assert encoding_identity(Slicing(32, hard_cut="\n"), ENCODER) not in same
    assert encoding_identity(Slicing(64), ENCODER) not in same
    assert encoding_identity(Slicing(32, abbreviations=frozenset({"obst"})), ENCODER) not in same
