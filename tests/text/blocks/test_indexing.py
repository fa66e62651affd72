from __future__ import annotations

import copy
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.indexing import CUT, byte_encoder, indexed
from tests.text.tokenizer_zoo import encoder_of
from training_pro.text.blocks.indexed_text import NOWHERE
from training_pro.text.blocks.indexing import UnsafeCutError
from training_pro.text.sections import section_spans
from training_pro.text.tokenizing.encoding import TextEncoder

PARTED = ["SentencePiece v1", "byte BPE with NFC", "unigram"]
WORDS = ["Hen. ", "It sat down, so. ", "\u00e9\u4e2d\u3002", "\U0001f389! ", "\n\n", CUT, "x" * 9, " "]
LONG_DEADLINE_SECONDS = 120


@pytest.mark.parametrize("name", PARTED)
@settings(max_examples=30)
@given(text=st.lists(st.sampled_from(WORDS), max_size=30).map("".join), size=st.sampled_from([20, 90, 1 << 20]))
def test_the_ids_are_those_of_the_sections(name: str, text: str, size: int) -> None:
    encoder = encoder_of(name)
    found = indexed([text], encoder, size)
    if found.opaque.any():
        return  # a section of emoji alone, say, can't be parted
    expected = [encoder.encode(text[start:end]) for start, end in section_spans(text, [CUT])]
    assert found.ids.tolist() == [number for ids in expected for number in ids.tolist()]


def test_heads_and_tails_are_the_safe_cuts_nearest_inside() -> None:
    text = "One fox ran. A7! So it was."
    table = indexed([text], byte_encoder()).sentences
    assert [text[at:] for at in table.starts.tolist()] == [text, "A7! So it was.", "So it was."]
    assert [text[at:] for at in table.head_cuts.tolist()] == [text, " So it was.", " it was."]
    assert [text[:at] for at in table.tail_cuts.tolist()] == ["One fox ran.", "One fox ran. A7!", text]
    assert table.head_ids.tolist() == table.head_cuts.tolist()  # a token a byte
    assert table.tail_ids.tolist() == table.tail_cuts.tolist()


def test_a_head_may_lie_in_a_later_stretch() -> None:
    text = "The fox ran home. " * 3 + "A7! " + "B8! " * 12 + "The end is near."
    whole, parted = indexed([text], byte_encoder()), indexed([text], byte_encoder(), 20)
    for column in ("starts", "ends", "head_cuts", "head_ids", "tail_cuts", "tail_ids"):
        assert getattr(whole.sentences, column).tolist() == getattr(parted.sentences, column).tolist(), column


def test_a_section_without_a_cut_is_read_by_no_run_and_its_neighbours_are() -> None:
    found = indexed([f"One fox ran.{CUT}" + "\U0001f389! " * 3 + f"{CUT}A hen sat."], byte_encoder().without_cuts())
    assert found.opaque.all() and not len(found.ids)
    assert (found.sentences.head_cuts == NOWHERE).all()


class Meeting:
    """Holds the first two calls back until both have come."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2, timeout=LONG_DEADLINE_SECONDS)
        self.calls = 0
        self.lock = threading.Lock()

    def wait(self) -> None:
        with self.lock:
            self.calls += 1
            first_two = self.calls <= 2
        if first_two:
            self.barrier.wait()


class MetEncoder(TextEncoder):
    """Encodes two stretches at once, or fails."""

    meeting: Meeting

    def encode_parts(self, texts: Sequence[str], at_start: Sequence[bool]) -> list[list[int]]:
        self.meeting.wait()
        return super().encode_parts(texts, at_start)


def test_two_stretches_are_encoded_at_once_and_stay_in_order() -> None:
    met = copy.copy(byte_encoder())
    met.__class__ = MetEncoder
    met.meeting = Meeting()
    text = "The fox ran home. A hen sat there. " * 10
    assert np.array_equal(indexed([text], met, 60).ids, byte_encoder().encode(text.strip()))


def test_lengths_that_do_not_add_up_at_a_cut_are_noticed() -> None:
    wrong = copy.copy(encoder_of("word-spanning BPE"))
    wrong.cut_rule, wrong.token_lengths = byte_encoder().cut_rule, encoder_of("byte BPE with NFC").token_lengths
    assert wrong.token_lengths is not None
    spread = copy.copy(wrong.token_lengths)
    spread.by_id = np.array([len(wrong.tokenizer.backend.id_to_token(n) or "") for n in range(700)])
    wrong.token_lengths = spread
    with pytest.raises(UnsafeCutError):
        indexed(["It is called the house of the river and the town of the hill. He said so. " * 4], wrong)
