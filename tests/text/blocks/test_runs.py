from __future__ import annotations

import numpy as np
import pytest

from tests.text.indexing import CUT, byte_encoder, indexed
from tests.text.tokenizer_zoo import encoder_of
from training_pro.text.blocks.indexed_text import Runs
from training_pro.text.tokenizing.encoding import TextEncoder

TEXT = f"The fox ran. Ah! Oh!\u4e2d\u3002\U0001f389. He said \u201cso\u201d, didn't he? \u00c9t\u00e9.{CUT}One end. Z."


def every_run(runs: Runs) -> list[tuple[int, int]]:
    sections = runs.text.sentences.sections.tolist()
    count = len(sections)
    return [(i, j) for i in range(count) for j in range(i, count) if sections[i] == sections[j]]


@pytest.mark.parametrize("name", ["SentencePiece v1", "legacy Llama", "Tekken", "unigram", "Python", "WordPiece"])
@pytest.mark.parametrize("size", [16, 1000])
def test_every_run_has_the_ids_of_its_text(name: str, size: int) -> None:
    encoder = encoder_of(name)
    runs = Runs(indexed([TEXT], encoder, size))
    pairs = every_run(runs)
    firsts, lasts = np.array(pairs).T
    counts = runs.counts(firsts, lasts).tolist()
    for (first, last), count in zip(pairs, counts, strict=True):
        expected = encoder.encode(runs.string(first, last)).tolist()
        assert runs.ids(first, last).tolist() == expected
        assert runs.count(first, last) == count == len(expected)


def test_strings_are_the_text_between_two_sentences() -> None:
    runs = Runs(indexed(["One two. Three.  \nFour five."], byte_encoder()))
    assert [runs.string(*pair) for pair in ((0, 0), (0, 1), (1, 2))] == [
        "One two.",
        "One two. Three.",
        "Three.  \nFour five.",
    ]
    assert runs.is_last.tolist() == [False, False, True]


class Counting(TextEncoder):
    asked: list[str]

    def encode_many(self, texts: list[str]) -> list[list[int]]:
        self.asked += texts
        return super().encode_many(texts)


def test_only_runs_without_a_safe_cut_are_encoded_to_be_counted() -> None:
    runs = Runs(indexed(["Ah! One two three. A7!\n\nWell now."], byte_encoder()))
    counting = object.__new__(Counting)
    vars(counting).update(vars(byte_encoder()), asked=[])
    object.__setattr__(runs.text, "encoder", counting)
    every = np.arange(4)
    assert runs.readable(every, every).tolist() == [True, True, False, True]
    assert runs.counts(every, every).tolist() == [3, 14, 3, 9]
    assert counting.asked == ["A7!"]
