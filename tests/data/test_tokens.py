from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.data.tiny import tiny_tokenizer
from training_pro.data.row_encoding import token_mask
from training_pro.data.tokens import RowTokenizer, SlowTokenizer, offsets_of

HOST = tiny_tokenizer()
TOKENIZER = RowTokenizer(HOST)


class Slow:
    """A tokenizer without a `tokenizers` backend: one token a word, each with the space before it."""

    bos_token_id, eos_token_id, bos_token, eos_token = 0, 1, "<s>", "</s>"
    all_special_ids = (0, 1)
    all_special_tokens = ("<s>", "</s>")

    def __init__(self) -> None:
        self.words = ["<s>", "</s>"]

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        words = [word for word in text.replace(" ", "\0 ").split("\0") if word]
        self.words += [word for word in words if word not in self.words]
        return [0] * add_special_tokens + [self.words.index(word) for word in words]

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return "".join(self.words[number] for number in ids)

    def convert_tokens_to_ids(self, token: str) -> int:
        return self.words.index(token)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_ids_are_the_hosts_and_offsets_cover_the_text(text: str):
    (found,) = TOKENIZER.encode([text], with_offsets=True)
    assert found.ids.tolist() == HOST.encode(text, add_special_tokens=False)
    assert found.ids.dtype == np.int32 and found.offsets is not None
    assert token_mask(text, found.offsets, [(0, len(text))]).all()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_the_pieces_are_the_text_without_broken_characters(text: str):
    ids = TOKENIZER.encode([text], with_offsets=False)[0].ids.tolist()
    pieces = TOKENIZER.pieces(ids)
    assert len(pieces) == len(ids) and "".join(pieces) == text
    assert "\ufffd" in text or not any("\ufffd" in piece for piece in pieces)


def test_a_character_of_several_tokens_is_shown_at_the_last():
    ids = TOKENIZER.encode(["a\U0001fae0b"], with_offsets=False)[0].ids.tolist()
    assert len(ids) > 3
    assert TOKENIZER.pieces(ids) == ["a", *[""] * (len(ids) - 3), "\U0001fae0", "b"]


def test_spaces_stay_where_a_decoder_drops_the_first_one():
    backend = Tokenizer(models.WordLevel({"\u2581the": 0, "\u2581fox": 1, "<unk>": 2}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    tokenizer = RowTokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>"))
    assert tokenizer.pieces([0, 1, 0]) == ["the", " fox", " the"]


def test_special_strings_in_rows_are_control_tokens():
    (found,) = TOKENIZER.encode(["a<|im_end|>b</s>"], with_offsets=False)
    assert set(found.ids.tolist()) >= {HOST.convert_tokens_to_ids("<|im_end|>"), HOST.eos_token_id}
    assert TOKENIZER.special_texts[0] == "<|start_header_id|>" and "</s>" in TOKENIZER.special_texts
    assert HOST.convert_tokens_to_ids("<|eot_id|>") in TOKENIZER.special_ids


def test_whether_the_tokenizer_begins_prompts_with_bos():
    assert not TOKENIZER.adds_bos
    assert RowTokenizer(tiny_tokenizer(adds_bos=True)).adds_bos
    assert RowTokenizer(Slow()).adds_bos


def test_slow_tokenizers_do_the_same_one_text_at_a_time():
    slow = RowTokenizer(Slow())
    (found,) = slow.encode(["say it </s> again"], with_offsets=True)
    assert slow.pieces(found.ids.tolist()) == ["say", " it", " ", "</s>", " again"]
    assert found.offsets is not None
    assert found.offsets.tolist() == [[0, 3], [3, 6], [6, 7], [7, 11], [11, 17]]


def test_a_slow_tokenizer_is_copied():
    host = Slow()
    SlowTokenizer(host, ("</s>",)).encode("new words")
    assert host.words == ["<s>", "</s>"]


@pytest.mark.parametrize(
    ("pieces", "text", "offsets"),
    [
        (["a", " b"], "a b", [[0, 1], [1, 3]]),
        ([" a", " b"], "a b", [[0, 1], [1, 3]]),
        ([" ", "a"], "a", [[0, 0], [0, 1]]),
        (["a", "\ufffd", "\ufffd", "b"], "a🙂b", [[0, 1], [1, 2], [1, 2], [2, 3]]),
        (["a", "fi", "b"], "aﬁb", [[0, 1], [1, 2], [2, 3]]),
        (["a", "\ufffd"], "a🙂", [[0, 1], [1, 2]]),
        ([], "", []),
    ],
)
def test_pieces_are_found_in_the_text(pieces: list[str], text: str, offsets: Any):
    assert offsets_of(pieces, text).tolist() == offsets
