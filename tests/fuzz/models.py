"""The tokenizer in a GGUF file: one that gives a text back, or a sentence."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from gguf import GGUFWriter

from tests.fuzz.target import answered, folder_with, target
from training_pro.hosts.gguf_tokenizer import tokenizer_from_gguf

WORDS = ["<unk>", "<s>", "</s>", "a", "b", "ab"]


def small_gguf() -> bytes:
    """A file with nothing but a tokenizer of six tokens."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gguf"
        writer: Any = GGUFWriter(path, "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list(WORDS)
        writer.add_token_types([3, 3, 3, 1, 1, 1])
        writer.add_token_merges(["a b"])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_pad_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_chat_template("{{ messages }}")
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        return path.read_bytes()


@target("GGUF tokenizer", small_gguf(), b"GGUF\x03\0\0\0")
def gguf_tokenizer(content: bytes) -> None:
    with folder_with({"a.gguf": content}) as folder:
        made = answered(lambda: tokenizer_from_gguf(folder / "a.gguf", 100))
    if made is not None:
        assert isinstance(made.decode(made("a b", add_special_tokens=False)["input_ids"]), str)
        assert made.eos_token is not None and made.eos_token_id is not None
