"""Every reader given its seeds and anything at all: a result that holds, or a sentence, and nothing written.

Atheris goes on from the same seeds in `make stress`.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.all_targets import TARGETS
from tests.fuzz.target import BREAK, answered, folder_with
from tests.promises import Cases
from training_pro.errors import SettingsError, UserError
from training_pro.settings import SPECS

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
    st.lists(VALUES, max_size=4).map(lambda parts: BREAK.join(json.dumps(part).encode() for part in parts)),
    st.tuples(VALUES, st.integers(0, 300)).map(lambda pair: json.dumps(pair[0]).encode()[: pair[1]]),
)


@pytest.mark.promise("fuzzing")
@pytest.mark.parametrize("name", TARGETS)
def test_no_content_brings_a_reader_down(name: str, cases: Cases) -> None:
    def tried(content: bytes) -> None:
        cases.count(False)
        TARGETS[name].check(content)
        cases.survived += 1

    for seed in (*TARGETS[name].seeds, b"", b"\x00", b"\xff\xfe"):
        tried(seed)
    settings(max_examples=EXAMPLES, database=None)(given(CONTENTS)(tried))()


def refused_with(error: UserError) -> None:
    def refuse() -> None:
        raise error

    answered(refuse)


@pytest.mark.parametrize(
    "error",
    [
        UserError(""),
        UserError("The file a.json has a fault in it\nthat goes over two lines."),
        UserError("The file a.json has a fault"),
        UserError(f"The file {'a' * 1000} has a fault; correct it."),
        SettingsError([]),
        SettingsError(["Rank (rank) is 0; it must be from 1 to 1024.", "no"]),
    ],
)
def test_an_unclear_answer_is_seen(error: UserError) -> None:
    with pytest.raises(AssertionError):
        refused_with(error)


def test_a_clear_answer_is_none() -> None:
    refused_with(SettingsError(["Rank (rank) is 0; it must be from 1 to 1024."]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("safetensors", b"\x02\0\0\0\0\0\0\0{}"),
        ("hard cut", b"a\n---\nbab"),
        ("JSON lines", b'{"a": 1}\n'),
    ],
)
def test_a_good_input_is_no_complaint(name: str, content: bytes) -> None:
    TARGETS[name].check(content)


def test_what_is_written_or_changed_is_seen() -> None:
    with pytest.raises(AssertionError, match="written"), folder_with({"a": b"1"}) as folder:
        (folder / "b").write_bytes(b"2")
    with pytest.raises(AssertionError, match="changed"), folder_with({"a": b"1"}) as folder:
        (folder / "a").write_bytes(b"2")
    assert not folder.exists()
