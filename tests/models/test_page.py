"""The page on which models train keeps the words of what makes it."""

from __future__ import annotations

from tests.models.__main__ import PAGE
from tests.models.page import HEAD, NOTES, page
from training_pro.export.gguf_families import MERGE_INSTEAD


def test_the_page_s_own_words_are_those_of_its_maker() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written.startswith(HEAD)
    assert NOTES in written


def test_the_way_out_of_a_refusal_is_said_once() -> None:
    line = {"family": "gptj", "quantization": "none", "detail": ""}
    loaded = {**line, "cell": "load", "result": "sound"}
    refused = {**line, "cell": "gguf", "result": "refused", "detail": f"No LoRA can be made: why.{MERGE_INSTEAD}"}
    made = page([loaded, refused])
    assert "  - gguf: refused. No LoRA can be made: why.\n" in made
    assert "2 checks: 1 passed, 1 refused with a reason, 0 failed" in made
