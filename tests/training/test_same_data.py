"""What a run was trained on, compared with what it would be continued on."""

from __future__ import annotations

from typing import Any, cast

import pytest

from training_pro.data.prepare import Prepared
from training_pro.errors import RunError
from training_pro.record.state import RunState
from training_pro.training.resume import check_same_data

TEXT = {"text file": "a1", "tokenizer": "b2", "list of abbreviations": "", "blocks of the text file": "c3"}
ROWS = {"dataset": "a1", "tokenizer": "b2", "list of abbreviations": ""}


def prepared(parts: dict[str, Any]) -> Prepared:
    return Prepared(cast(Any, None), None, cast(Any, None), "now", {**parts, "max_tokens": 256})


def state(parts: dict[str, str]) -> RunState:
    return RunState("interrupted", data_fingerprint="then", data_parts=parts)


def earlier(parts: dict[str, str]) -> RunState:
    """As a version wrote it that named the sentence splitter in place of the blocks."""
    kept = {name: value for name, value in parts.items() if not name.startswith("blocks of")}
    return state({**kept, "sentence splitter": "sentencex 1.0.32"})


@pytest.mark.parametrize("parts", [TEXT, ROWS])
def test_equal_parts_are_the_same_data(parts: dict[str, str]) -> None:
    assert check_same_data("a", state(parts), prepared(parts)) == ""


def test_other_blocks_of_the_same_text_are_refused_by_name() -> None:
    with pytest.raises(RunError, match="blocks of the text file"):
        check_same_data("a", state({**TEXT, "blocks of the text file": "other"}), prepared(TEXT))


def test_a_text_run_of_an_earlier_version_is_continued_with_a_note() -> None:
    assert "sentencex 1.0.32" in check_same_data("a", earlier(TEXT), prepared(TEXT))


def test_a_row_run_of_an_earlier_version_is_continued_as_it_is() -> None:
    assert check_same_data("a", earlier(ROWS), prepared(ROWS)) == ""


def test_a_run_of_an_earlier_version_on_another_text_is_refused() -> None:
    with pytest.raises(RunError, match="text file"):
        check_same_data("a", earlier({**TEXT, "text file": "other"}), prepared(TEXT))


def test_a_run_whose_parts_are_not_known_is_refused() -> None:
    with pytest.raises(RunError, match="Override Existing Files"):
        check_same_data("a", state({}), prepared(TEXT))
