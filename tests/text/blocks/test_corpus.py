from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.errors import Cancelled, DataError
from training_pro.text.blocks import corpus as corpus_module
from training_pro.text.blocks.corpus import Corpus

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(TEXTS, max_size=4), st.data())
def test_offsets_and_characters_agree(texts: list[str], data: st.DataObject) -> None:
    corpus = Corpus.of_texts(texts)
    for number, text in enumerate(texts):
        at = data.draw(st.integers(0, len(text)))
        offset = int(corpus.starts[number]) + len(text[:at].encode())
        before = corpus.characters_before(int(corpus.starts[number]))
        assert corpus.characters_before(offset) - before == at
        if at < len(text):
            assert corpus.document_of(offset) == number


@given(TEXTS, TEXTS, TEXTS)
def test_a_span_is_trimmed_like_a_string(before: str, text: str, after: str) -> None:
    corpus = Corpus.of_texts([before, text, after])
    with patch.object(corpus_module, "_TRIM_BYTES", 5):
        start, end = corpus.trimmed(*corpus.starts[1:3].tolist())
    assert corpus.text(start, end) == text.strip()


def test_a_border_never_lies_inside_a_character() -> None:
    corpus = Corpus.of_texts(["a\U0001f389b"])
    assert [corpus.border(at, 6) for at in range(7)] == [0, 1, 5, 5, 5, 5, 6]


def test_half_a_character_is_refused() -> None:
    with pytest.raises(DataError, match=r"Text 2 .*U\+D800 at character 1\b"):
        Corpus.of_texts(["fine", "x\ud800"])


def test_reading_can_be_cancelled(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("x")

    def cancel(done: int, total: int, what: str) -> None:
        assert (done, total, what) == (1, 1, "Reading text.txt")
        raise Cancelled

    with pytest.raises(Cancelled):
        Corpus.of_files([file], progress=cancel)
