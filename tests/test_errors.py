"""One place turns errors into sentences."""

from __future__ import annotations

import logging

import pytest

from training_pro.errors import Cancelled, DataError, SettingsError, explain


def test_a_user_error_speaks_for_itself() -> None:
    assert explain(DataError("Row 3 is empty; fill it."), "reading") == "Row 3 is empty; fill it."


def test_all_faults_are_shown() -> None:
    assert explain(SettingsError(["One.", "Two."]), "reading") == "One.\nTwo."


def test_a_request_to_end_is_no_fault() -> None:
    assert explain(Cancelled(), "slicing") == "Ended on request while slicing."


def test_a_defect_is_one_sentence_and_its_trace_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        text = explain(KeyError("boom\nsecond line"), "training x")
    assert text.count("\n") == 0
    assert "training x" in text and "KeyError" in text
    assert caplog.records[0].exc_info is not None
