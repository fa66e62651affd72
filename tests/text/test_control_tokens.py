"""Special strings in texts: as plain characters, or as the control tokens that they name."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from training_pro.text.blocks.blocks import Blocks
from training_pro.text.blocks.slicing import Slicing, slice_documents
from training_pro.text.tokenizing.encoding import TextEncoder

TURN = "<|im_start|>user\nHow deep is it?<|im_end|>\n<|im_start|>assistant\nTwo metres.<|im_end|>\n"
ROW = "<|im_start|>system\nYou are a ferryman.<|im_end|>\n" + TURN


@cache
def encoder(tokenizer: Any, control_tokens: bool) -> TextEncoder:
    return TextEncoder(tokenizer, control_tokens)


def blocks(tokenizer: Any, text: str, control_tokens: bool, **slicing: Any) -> Blocks:
    made = Slicing(**{"max_tokens": 64, **slicing})
    return slice_documents([text], made, encoder(tokenizer, control_tokens))


def test_as_text_the_end_of_text_string_is_a_cut_and_no_id_is_a_control_token(smol_tokenizer: Any) -> None:
    made = blocks(smol_tokenizer, ROW, False, add_bos=False, eos="none")
    assert made.report.sections == 3
    specials = set(smol_tokenizer.all_special_ids)
    assert all(specials.isdisjoint(made.ids(number).tolist()) for number in range(len(made)))


def test_as_tokens_a_row_is_one_block_with_its_control_tokens(smol_tokenizer: Any) -> None:
    made = blocks(smol_tokenizer, ROW, True)
    assert (len(made), made.report.sections, made.text(0)) == (1, 1, ROW.strip())
    ids = made.ids(0).tolist()
    assert ids == smol_tokenizer.encode(ROW.strip(), add_special_tokens=False)
    assert ids.count(smol_tokenizer.convert_tokens_to_ids("<|im_end|>")) == 3


@pytest.mark.parametrize(
    ("text", "bos", "eos"),
    [("<|im_start|>a<|im_end|>", False, False), ("<|im_start|>a", False, True), ("a<|im_end|>", True, False)],
)
def test_bos_and_eos_of_the_text_itself_are_never_doubled(smol_tokenizer: Any, text: str, bos: bool, eos: bool) -> None:
    made = blocks(smol_tokenizer, text, True)
    block, ids = made.block(0), made.ids(0).tolist()
    assert (block.bos, block.eos) == (bos, eos)
    assert (ids.count(smol_tokenizer.bos_token_id), ids.count(smol_tokenizer.eos_token_id)) == (1, 1)
    assert len(ids) == block.tokens == 3


def test_the_room_of_a_bos_that_the_text_has_is_used(smol_tokenizer: Any) -> None:
    text = TURN.strip()
    count = len(smol_tokenizer.encode(text, add_special_tokens=False))
    assert len(blocks(smol_tokenizer, text, True, max_tokens=count)) == 1
    assert len(blocks(smol_tokenizer, text, True, max_tokens=count - 1)) > 1


def test_a_cut_string_still_cuts_texts_with_control_tokens(smol_tokenizer: Any) -> None:
    assert blocks(smol_tokenizer, TURN + "\n\n\n" + TURN, True).report.sections == 2
