from __future__ import annotations

from unittest.mock import patch

import numpy as np

from tests.text.tokenizer_zoo import sentencepiece_bpe
from training_pro.text.blocks import indexed_text
from training_pro.text.blocks.indexed_text import NO_PATCH, Patches
from training_pro.text.blocks.indexing import IdFile
from training_pro.text.tokenizing.encoding import TextEncoder

ENCODER = TextEncoder(sentencepiece_bpe())


def test_ids_come_back_as_one_array() -> None:
    file = IdFile()
    assert file.array().tolist() == []
    file.append(np.array([1, 2], dtype=np.int32))
    file.append(np.array([3], dtype=np.int32))
    assert (file.size, file.array().tolist(), file.array().dtype) == (3, [1, 2, 3], np.int32)


def test_a_patch_is_encoded_once_and_by_its_place() -> None:
    patches = Patches(ENCODER)
    start, again, empty = patches.numbers([b"The", b"The", b""], middle=False).tolist()
    middle = patches.number(b" end", middle=True)
    assert (start == again, empty) == (True, NO_PATCH)
    assert patches.ids(start).tolist() == ENCODER.encode("The").tolist()
    assert patches.ids(middle).tolist() == ENCODER.encode("an end").tolist()[1:]
    assert patches.number(b"The", middle=False) == start
    assert patches.lengths(np.array([NO_PATCH, start, middle])).tolist() == [0, 1, 1]
    assert patches.length(NO_PATCH) == 0


def test_forgetting_keeps_the_patches_made_so_far() -> None:
    with patch.object(indexed_text, "_MOST_REMEMBERED", 1):
        patches = Patches(ENCODER)
        numbers = [int(patches.numbers([word], middle=False)[0]) for word in (b"one", b"two", b"three", b"one")]
    assert [patches.ids(number).tolist() for number in numbers] == [
        ENCODER.encode(word).tolist() for word in ("one", "two", "three", "one")
    ]
