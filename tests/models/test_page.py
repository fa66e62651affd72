"""The page on which models train keeps the words of what makes it."""

from __future__ import annotations

from tests.models.__main__ import PAGE
from tests.models.page import HEAD, NAMED, TESTED, page
from training_pro.export.gguf_families import MERGE_INSTEAD


def test_the_page_s_own_words_are_those_of_its_maker() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written.startswith(HEAD)
    assert NAMED in written and TESTED in written


def checked(family: str, cell: str, result: str = "sound", detail: str = "") -> dict[str, str]:
    return {"family": family, "quantization": "none", "cell": cell, "result": result, "detail": detail}


def test_a_refusal_is_explained_and_that_of_a_gguf_lora_shown_as_no() -> None:
    loaded = [checked("opt", "load"), checked("gpt2", "load")]
    refused = [checked("opt", "gguf", "refused", f"No LoRA can be made: why.{MERGE_INSTEAD}"), checked("gpt2", "gguf")]
    head = [checked("opt", "train_head"), checked("gpt2", "train_head", "refused", "This model can't do it.")]
    made = page([*loaded, *refused, *head])
    assert "| OPT | `opt` | no |\n" in made and "- With a GGUF LoRA: `gpt2`\n" in made
    assert "| Train Head | all 2 kinds but `gpt2`: `gpt2`, `opt` |\n" in made
    assert made.endswith("\n- `gpt2`, train head: refused. This model can't do it.\n")
    assert "6 checks: 4 passed, 2 refused with a reason, 0 failed" in made
    assert "\nGGUF LoRAs among the refused: 1 " in made


def test_a_gguf_lora_of_some_layers_is_no_plain_no() -> None:
    made = page([checked("minicpm3", "load"), checked("minicpm3", "gguf", "refused", "why")])
    assert "| MiniCPM 3 | `minicpm3` | only with [own targets](export.md#which-models) |\n" in made


def test_a_fault_is_seen_in_the_table_and_below() -> None:
    made = page([checked("opt", "load"), checked("opt", "merge", "FAULT", "logits differ")])
    assert "| Merging the LoRA into the model | all 1 kinds but `opt` (**FAULT**): `opt` |\n" in made
    assert "- `opt`, merge: FAULT. logits differ\n" in made
