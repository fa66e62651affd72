"""The tokenizer of a GGUF file, whole and broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.models import small_gguf
from training_pro.errors import ModelError
from training_pro.hosts.gguf_tokenizer import tokenizer_from_gguf


def written(folder: Path, content: bytes) -> Path:
    path = folder / "a.gguf"
    path.write_bytes(content)
    return path


def test_a_whole_file_gives_a_tokenizer(tmp_path: Path) -> None:
    made = tokenizer_from_gguf(written(tmp_path, small_gguf()), 100)
    assert made("ab")["input_ids"] == [5]
    assert (made.bos_token_id, made.eos_token_id, made.model_max_length) == (1, 2, 100)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        b"GGUF\x03\0\0\0",
        small_gguf()[:300],
        small_gguf().replace(b"smollm", b"strang"),
        small_gguf().replace(b"a b", b"a x"),
    ],
)
def test_a_broken_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match=r"^a\.gguf .*\.$"):
        tokenizer_from_gguf(written(tmp_path, content), 100)


def test_a_list_longer_than_its_file_ends_at_once(tmp_path: Path) -> None:
    start = small_gguf().index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens") + 8
    huge = small_gguf()[:start] + (1 << 40).to_bytes(8, "little") + b"\0" * 100
    with pytest.raises(ModelError, match="ends too early"):
        tokenizer_from_gguf(written(tmp_path, huge), 100)
