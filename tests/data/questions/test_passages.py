"""A text cut into passages: the author's words, in order, long sections at sentences."""

from __future__ import annotations

from typing import Any

import pytest

from training_pro.data.questions.passages import Cutting, passages_of
from training_pro.errors import DataError
from training_pro.folders import Folders

TALE = "The keeper climbs the tower. She counts the steps, all ninety.\n\nThe glass is clean, for she wiped it."
LONG = " ".join(f"Ship number {n} passes far out on the grey sea." for n in range(30))


def cut(folders: Folders, tokenizer: Any, text: str, **more: Any) -> Any:
    (folders.datasets / "tale.txt").write_bytes(text.encode())
    return passages_of("tale.txt", folders, tokenizer, Cutting(**more))


def test_a_section_is_a_passage_and_stays_as_it_is(folders: Folders, smol_tokenizer: Any) -> None:
    found = cut(folders, smol_tokenizer, f"{TALE}\r\n\r\n\r\n{TALE} \n\n\nShort.")
    assert found.texts == (TALE, TALE) and found.too_short == 1 and found.name == "tale.txt"


def test_long_sections_are_cut_at_sentences_and_nothing_is_lost(folders: Folders, smol_tokenizer: Any) -> None:
    found = cut(folders, smol_tokenizer, LONG, max_tokens=64)
    assert " ".join(found.texts) == LONG and len(found.texts) > 3
    assert all(text.startswith("Ship") and text.endswith(".") for text in found.texts)
    assert all(len(smol_tokenizer(text)["input_ids"]) <= 64 for text in found.texts)


def test_the_digest_is_that_of_the_passages(folders: Folders, smol_tokenizer: Any) -> None:
    whole, again = (cut(folders, smol_tokenizer, LONG, max_tokens=64).digest() for _ in range(2))
    assert whole == again != cut(folders, smol_tokenizer, LONG, max_tokens=48).digest()


def test_rows_and_texts_without_sections_are_refused(folders: Folders, smol_tokenizer: Any) -> None:
    with pytest.raises(DataError, match="no section of more than 60"):
        cut(folders, smol_tokenizer, "Short.\n\n\nShorter.")
    (folders.datasets / "rows.json").write_text("[]")
    with pytest.raises(DataError, match="rows.json holds rows"):
        passages_of("rows.json", folders, smol_tokenizer, Cutting())
