"""Which tokens new words become, and that the host's tokenizer is not changed by it."""

from __future__ import annotations

from typing import Any

import pytest

from training_pro.data.fingerprint import tokenizer_digest
from training_pro.errors import SettingsError
from training_pro.hosts.host import LoadedModel
from training_pro.text.tokenizing.encoding import TextEncoder
from training_pro.training.model.new_words import MOST_WORDS, NO_WORDS, new_words_of, with_new_words, words_in


def test_a_new_word_gets_one_token_and_the_hosts_tokenizer_none(tiny_model: LoadedModel) -> None:
    before, size = tokenizer_digest(tiny_model.tokenizer), len(tiny_model.tokenizer)
    found = with_new_words(tiny_model, "Zorblax, <|note|>\nQuib")
    words, tokenizer = new_words_of(found), found.tokenizer
    assert words.ids == (size, size + 1, size + 2) and words.rows == size + 3
    assert tokenizer.convert_ids_to_tokens(list(words.ids)) == ["Zorblax", "<|note|>", "Quib"]
    assert words.pieces[size] == tuple(tiny_model.tokenizer("Zorblax", add_special_tokens=False)["input_ids"])
    assert tokenizer_digest(tiny_model.tokenizer) == before
    assert found.model is tiny_model.model


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Zorblax", 1),
        ("a Zorblax, Zorblax.", 2),
        ("Zorblaxes and unZorblax", 0),
        ("<|note|>word<|note|>", 2),
    ],
)
def test_words_stand_alone_and_tags_do_not(tiny_model: LoadedModel, text: str, tokens: int) -> None:
    found = with_new_words(tiny_model, "Zorblax,<|note|>")
    ids = TextEncoder(found.tokenizer).encode(text).tolist()
    assert sum(number in new_words_of(found).ids for number in ids) == tokens
    assert found.tokenizer.decode(ids) == text


def test_words_of_scripts_without_spaces_are_found_inside(tiny_model: LoadedModel) -> None:
    found = with_new_words(tiny_model, "灯台")
    ids = TextEncoder(found.tokenizer).encode("この灯台守は").tolist()
    assert new_words_of(found).ids[0] in ids


def test_what_the_tokenizer_knows_already_keeps_its_token(smol_tokenizer: Any, tiny_model: LoadedModel) -> None:
    import dataclasses

    loaded = dataclasses.replace(tiny_model, tokenizer=smol_tokenizer)
    control = new_words_of(with_new_words(loaded, "<|im_start|>"))
    assert control.ids == (smol_tokenizer.convert_tokens_to_ids("<|im_start|>"),) and not control.pieces
    house = new_words_of(with_new_words(loaded, "house"))
    written = [smol_tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("house", " house")]
    assert house.ids == tuple(sorted(ids[0] for ids in written)) and not house.pieces
    assert with_new_words(loaded, "house").tokenizer is smol_tokenizer


def test_no_words_change_nothing(tiny_model: LoadedModel) -> None:
    assert with_new_words(tiny_model, " ,\n ") is tiny_model
    assert new_words_of(tiny_model) is NO_WORDS and not NO_WORDS and NO_WORDS.rows == 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [("two words", "two words"), (",".join(f"w{n}" for n in range(MOST_WORDS + 1)), f"{MOST_WORDS + 1:,}")],
)
def test_what_can_not_be_a_word_is_refused(typed: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        words_in(typed)
    assert refused.value.faults[0].setting == "new_words"


def test_a_word_twice_is_one(tiny_model: LoadedModel) -> None:
    assert words_in("a,b, a\nb") == ["a", "b"]
