from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import gradio as gr
import pytest
from gradio.helpers import special_args

from training_pro.errors import UserError
from training_pro.ui.handlers import answering


def refuse(value: str) -> dict[str, str]:
    raise UserError(f"{value} is <wrong>.")


def break_down(value: str) -> dict[str, str]:
    raise ZeroDivisionError("by <zero>")


def watched(value: str, request: gr.Request) -> dict[str, str]:
    return {"box": value}


def test_a_good_answer_goes_through() -> None:
    assert answering(watched, "box", "testing")("x", None) == {"box": "x"}


def test_a_refusal_becomes_its_sentence() -> None:
    answer = answering(refuse, "box", "testing")("This")
    assert "This is &lt;wrong&gt;." in answer["box"] and "tp-error" in answer["box"]


def test_a_defect_becomes_a_sentence_and_its_trace_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = answering(partial(break_down, "x"), "box", "testing")()
    assert "went wrong while testing" in answer["box"] and "&lt;zero&gt;" in answer["box"]
    assert "Traceback" not in answer["box"]
    assert "ZeroDivisionError" in caplog.text


def told(number: int, value: str, request: gr.Request) -> dict[str, str]:
    return {"box": value * number}


@pytest.mark.parametrize("function", [watched, partial(told, 2)], ids=["a function", "a part of one"])
def test_gradio_still_sees_what_the_function_asks_for(function: Any) -> None:
    handler = answering(function, "box", "testing")
    assert list(inspect.signature(handler).parameters) == ["value", "request"]
    request = gr.Request(username="somebody")
    given, *_ = special_args(handler, ["x"], request)
    assert given == ["x", request]


def test_an_answer_that_changes_nothing_still_names_its_message() -> None:
    """Gradio 4 takes an empty answer for too few of them, and shows "Error"."""
    assert list(answering(lambda: {}, "box", "testing")()) == ["box"]
