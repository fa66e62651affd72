from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.tokenizer_zoo import ZOO, encoder_of
from training_pro.text.tokenizing import encoding
from training_pro.text.tokenizing.encoding import TextEncoder
from training_pro.text.tokenizing.token_lengths import TokenLengths
from training_pro.text.tokenizing.tokenizer_parts import TokenizerParts

UNSAFE = {"unigram, unparted", "word-spanning BPE", "Python"}
SAFE = sorted(set(ZOO) - UNSAFE)
PIECES = ["don't", "Kettle!", "a b", " a", "1234", " ", "  ", "\n", "\n\n", ".", "\u2581", "\u4e2d\u3002"]
PIECES += ["e\u0301", "\u2019s", "\u0939\u093f"]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=30).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60
)


@pytest.mark.parametrize("name", SAFE)
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_text_parted_at_a_safe_cut_keeps_its_ids(name: str, text: str) -> None:
    encoder = encoder_of(name)
    assert encoder.cut_rule is not None
    whole = encoder.encode(text).tolist()
    for cut in encoder.cut_rule.safe(text).nonzero()[0].tolist():
        left, right = encoder.encode_parts([text[:cut], text[cut:]], [True, False])
        assert left + right == whole, (text[:cut], text[cut:])


@pytest.mark.parametrize("name", UNSAFE)
def test_no_cut_is_safe_where_far_off_text_counts(name: str) -> None:
    assert encoder_of(name).cut_rule is None


def test_cuts_are_before_spaces_and_marks_and_never_at_an_end() -> None:
    rule = encoder_of("byte BPE with NFC").cut_rule
    assert rule is not None
    text = " The cat, \u4e2d\u6587\u3002 1 \U0001f389 x"
    assert [text[cut:] for cut in rule.safe(text).nonzero()[0].tolist()] == [
        text[4:],
        text[8:],
        text[9:],
        text[12:],
        text[13:],
        text[15:],
    ]


def test_no_cut_lies_beside_an_added_token_that_looks_at_its_neighbours() -> None:
    rule = encoder_of("byte BPE with NFC").cut_rule
    assert rule is not None
    assert rule.safe("x a b y z").nonzero()[0].tolist() == [7]


@pytest.mark.parametrize("name", ["byte BPE with NFC", "symbol BPE", "SentencePiece v1", "legacy Llama", "Tekken"])
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_tokens_lengths_add_up_to_the_text(name: str, text: str) -> None:
    encoder = encoder_of(name)
    lengths = encoder.token_lengths
    assert lengths is not None
    led = "x" + text  # sections start with a visible character
    takes_spaces = "a b" in led or "Kettle!" in led  # added tokens that swallow white space beside them
    if lengths.hold_for(led) and not takes_spaces:
        total = int(lengths.by_id[encoder.encode(led)].sum())
        assert total == len(led.encode()) + lengths.added_at_start


@pytest.mark.parametrize("name", ["unigram", "WordPiece"])
def test_tokenizers_that_change_text_have_no_lengths(name: str) -> None:
    backend: Any = ZOO[name]().backend_tokenizer
    assert TokenLengths.of(TokenizerParts.of(backend), [0]) is None


def test_the_rule_of_equal_tokenizers_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    real = encoding.find_cut_rule
    monkeypatch.setattr(encoding, "find_cut_rule", lambda *made_of: found.append(real(*made_of)) or found[-1])
    monkeypatch.setattr(encoding, "_RULES", {})
    rules = [TextEncoder(ZOO[name]()).cut_rule for name in ("symbol BPE", "unigram", "symbol BPE", "byte BPE with NFC")]
    assert len(found) == 3 and rules[0] is rules[2] and rules[3] is not rules[0]
    other = ZOO["symbol BPE"]()
    other.add_tokens(["a b"])
    assert TextEncoder(other).cut_rule is found[3]
    TextEncoder(other, control_tokens=True)
    assert len(found) == 5, "what special strings become is part of it"
