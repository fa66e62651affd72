from __future__ import annotations

import pickle
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.text.tokenizer_zoo import REAL_ZOO, SMALL_ZOO, PythonTokenizer, unigram
from training_pro.errors import DataError
from training_pro.text.tokenizing.private_tokenizer import FastCopy, SlowCopy, private_copy

FAST = [make for name, make in {**SMALL_ZOO, **REAL_ZOO}.items() if name not in ("Python", "Tekken")]


@pytest.mark.parametrize("make", FAST)
def test_no_special_string_becomes_a_control_token(make: Any) -> None:
    tokenizer = make()
    controls = {tokenizer.bos_token_id, tokenizer.eos_token_id}
    assert not controls.intersection(private_copy(tokenizer).encode("a </s> <s>b</s><s> </s>"))


def test_pieces_of_the_model_that_spell_a_special_string_are_out_of_reach() -> None:
    plain = Tokenizer.from_str(unigram().backend_tokenizer.to_str())
    plain.encode_special_tokens = True
    assert 2 in plain.encode("</s>", add_special_tokens=False).ids, "else this test shows nothing"
    assert 2 not in FastCopy(unigram().backend_tokenizer).encode("</s>")


@pytest.mark.parametrize("make", FAST)
def test_ordinary_text_has_the_host_s_ids(make: Any) -> None:
    tokenizer, text = make(), "The Kettle House, at 12 o'clock: \u201cTea?\u201d\n\nYes  please."
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert private_copy(tokenizer).encode(text) == ids
    assert private_copy(tokenizer).encode_many([text, "Tea"])[0] == ids


def test_the_host_s_tokenizer_is_not_changed() -> None:
    backend = Tokenizer.from_str(unigram().backend_tokenizer.to_str())
    backend.enable_truncation(3)
    backend.enable_padding(length=8)
    before = backend.to_str()
    copy = FastCopy(backend)
    assert len(copy.encode("The Kettle House at Tollimer Pass")) > 8
    assert (backend.to_str(), backend.encode_special_tokens) == (before, False)


def test_a_copy_can_be_sent_to_another_process() -> None:
    copy = FastCopy(unigram().backend_tokenizer)
    again = pickle.loads(pickle.dumps(copy))
    assert again.encode("x </s>") == copy.encode("x </s>")


def test_dropout_is_off() -> None:
    vocabulary = {"a": 0, "b": 1, "ab": 2, "abab": 3}
    backend = Tokenizer(models.BPE(vocabulary, [("a", "b"), ("ab", "ab")], dropout=0.9))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    assert FastCopy(backend).encode("abab " * 50) == [3] * 50


def test_a_tokenizer_in_python_is_asked_without_its_end_token() -> None:
    copy = private_copy(PythonTokenizer())
    assert isinstance(copy, SlowCopy)
    assert copy.encode_many(["ab"]) == [[97, 98]]


def test_what_cannot_encode_is_refused() -> None:
    class Broken:
        def encode(self, text: str) -> list[int]:
            raise ValueError

    with pytest.raises(DataError, match="Broken"):
        private_copy(Broken())
