"""One place turns errors into sentences."""

from __future__ import annotations

import gc
import logging
import weakref

import pytest

from training_pro.errors import Cancelled, DataError, Fault, RunError, SettingsError, explain, without_traces


def test_a_user_error_speaks_for_itself() -> None:
    assert explain(DataError("Row 3 is empty; fill it."), "reading") == "Row 3 is empty; fill it."


def test_all_faults_are_shown() -> None:
    assert explain(SettingsError(["One.", "Two."]), "reading") == "One.\nTwo."


def test_a_fault_knows_its_setting_and_its_way_out() -> None:
    error = SettingsError([Fault("Warmup is too long.", "warmup_steps", ("--set warmup_steps=2",)), "Two."])
    assert [(str(fault), fault.setting, fault.options) for fault in error.faults] == [
        ("Warmup is too long.", "warmup_steps", ("--set warmup_steps=2",)),
        ("Two.", "", ()),
    ]


def test_an_option_is_kept_beside_the_sentence() -> None:
    assert RunError("It exists.", option="--existing replace").options == ("--existing replace",)
    assert RunError("It exists.").options == ()


def test_a_request_to_end_is_no_fault() -> None:
    assert explain(Cancelled(), "slicing") == "Ended on request while slicing."


def test_a_defect_is_one_sentence_and_its_trace_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        text = explain(KeyError("boom\nsecond line"), "training x")
    assert text.count("\n") == 0
    assert "training x" in text and "KeyError" in text
    assert caplog.records[0].exc_info is not None


def test_a_kept_error_keeps_nothing_else_alive() -> None:
    class Held:
        """Something that a failed call had in hand."""

    def fail() -> None:
        held = Held()
        seen.append(weakref.ref(held))
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise RunError("outer") from error

    seen: list[weakref.ref[Held]] = []
    try:
        fail()
    except RunError as error:
        kept = without_traces(error)
    gc.collect()
    assert seen[0]() is None and str(kept) == "outer" and str(kept.__cause__) == "inner"
