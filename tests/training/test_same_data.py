"""What a run was trained on, compared with what it would be continued on."""

from __future__ import annotations

from typing import Any, cast

import pytest

from training_pro.data.fingerprint import fingerprint
from training_pro.data.prepare import Prepared
from training_pro.errors import RunError
from training_pro.record.state import RunState
from training_pro.training.resume import check_same_data, data_parts

TEXT = {"text file": "a1", "tokenizer": "b2", "list of abbreviations": "", "blocks of the text file": "c3"}
ROWS = {"dataset": "a1", "tokenizer": "b2", "list of abbreviations": ""}


def prepared(parts: dict[str, Any]) -> Prepared:
    parts = {**parts, "max_tokens": 256}
    return Prepared(cast(Any, None), None, cast(Any, None), fingerprint(parts), parts)


def state(parts: dict[str, str]) -> RunState:
    whole = prepared(parts)
    return RunState("interrupted", data_fingerprint=whole.fingerprint, data_parts=data_parts(whole))


def earlier(parts: dict[str, str]) -> RunState:
    """As a version wrote it that named the sentence splitter in place of the blocks, and left the dataset out."""
    kept = {name: value for name, value in parts.items() if not name.startswith("blocks of")}
    written = state({**kept, "sentence splitter": "sentencex 1.0.32"})
    named = {name: value for name, value in written.data_parts.items() if name != "dataset"}
    return written.changed(data_parts=named)


@pytest.mark.parametrize("parts", [TEXT, ROWS])
def test_equal_parts_are_the_same_data(parts: dict[str, str]) -> None:
    assert check_same_data("a", state(parts), prepared(parts)) == ""


@pytest.mark.parametrize(("parts", "changed"), [(TEXT, "blocks of the text file"), (ROWS, "dataset")])
def test_what_has_changed_is_named(parts: dict[str, str], changed: str) -> None:
    with pytest.raises(RunError, match=f"changed since: {changed}"):
        check_same_data("a", state({**parts, changed: "other"}), prepared(parts))


def test_a_text_run_of_an_earlier_version_is_continued_with_a_note() -> None:
    assert "sentencex 1.0.32" in check_same_data("a", earlier(TEXT), prepared(TEXT))


def test_a_row_run_of_an_earlier_version_is_continued_as_it_is() -> None:
    assert check_same_data("a", earlier(ROWS), prepared(ROWS)) == ""


@pytest.mark.parametrize(("parts", "changed"), [(TEXT, "text file"), (ROWS, "dataset"), (ROWS, "tokenizer")])
def test_a_run_of_an_earlier_version_on_other_data_is_refused(parts: dict[str, str], changed: str) -> None:
    with pytest.raises(RunError, match="can't be resumed"):
        check_same_data("a", earlier({**parts, changed: "other"}), prepared(parts))


def test_a_run_whose_parts_are_not_known_is_refused() -> None:
    with pytest.raises(RunError, match="Override Existing Files"):
        check_same_data("a", state(TEXT).changed(data_parts={}), prepared(ROWS))
