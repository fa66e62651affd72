"""Readers given anything at all: each gives a value or a sentence, never another exception, and comes back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attack.fuzzing import READERS, survives
from tests.promises import Cases
from training_pro.settings import SPECS
from training_pro.text.sections import section_spans, unescape

pytestmark = pytest.mark.promise("fuzzing")
EXAMPLES = 60
NAMES = st.sampled_from(
    [*SPECS, "micro_batch_size", "cutoff_len", "lora_rank", "optimizer", "save_steps", "batch_size"]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("x" * 5000),
    st.sampled_from(["user", "assistant", "lora", "LORA", "F32", "%output%", "instruction,output", "NaN", "\x00"]),
)  # fmt: skip
KEYS = st.one_of(
    NAMES, st.text(max_size=10),
    st.sampled_from(
        ["messages", "role", "content", "conversations", "from", "value", "text", "output", "instruction", "peft_type",
         "r", "lora_alpha", "event", "update", "loss", "details", "at", "dtype", "shape", "data_offsets", "state",
         "entries", "settings", "key", "pid", "process", "instruction,output", "rank_pattern", "target_modules"]
    ),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
CONTENTS = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.lists(VALUES, max_size=4).map(lambda rows: "\n".join(map(json.dumps, rows)).encode()),
    st.tuples(VALUES, st.integers(0, 300)).map(lambda pair: json.dumps(pair[0]).encode()[: pair[1]]),
)


@pytest.mark.parametrize("name", READERS)
def test_no_content_brings_a_reader_down(name: str, cases: Cases) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read, place = READERS[name], Path(folder)

        @settings(max_examples=EXAMPLES, database=None)
        @given(CONTENTS)
        def fuzz(content: bytes) -> None:
            wrong = survives(read, content, place)
            cases.count(not wrong)
            assert not wrong

        fuzz()


@given(st.text(max_size=100), st.lists(st.text(max_size=8), max_size=4))
def test_hard_cuts_of_any_kind_only_cut(text: str, cuts: list[str]) -> None:
    for cut in cuts:
        unescape(cut)
    spans = section_spans(text, [unescape(cut) for cut in cuts])
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))


def test_a_reader_that_breaks_is_seen(tmp_path: Path) -> None:
    def breaks(path: Path, content: bytes) -> Any:
        raise KeyError(content)

    read: Callable[[Path, bytes], Any] = breaks
    assert "KeyError" in survives(read, b"x", tmp_path)
