"""The page's handlers called past the page: with what no browser sends, and where several people share it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import gradio as gr
import pytest

from tests.attack.refusing import listing
from tests.promises import Cases
from tests.record.adapters import make_adapter
from tests.ui.made import NASTY
from tests.ui.stand_ins import StandInRun, StandInSession, build_form, page
from training_pro.errors import SettingsError
from training_pro.folders import Folders
from training_pro.settings import Settings
from training_pro.ui.form import BOTH, Form
from training_pro.ui.live import LOOK
from training_pro.ui.tab import Tab

MOST_CHARACTERS = 10_000  # where every setting is wrong, each has its sentence
NAN = float("nan")
JUNK: tuple[Any, ...] = (
    None, "", NAN, float("inf"), -1, 10**30, True, [], [None], {}, {"a": 1}, NASTY, "x" * 100_000, ["x", 5], "../x",
)  # fmt: skip
# Reads how a run is for the page of the WebUI, and takes nothing.
NAMED = {LOOK}


def built(folders: Folders, multi_user: bool) -> tuple[Any, StandInSession]:
    session = StandInSession(folders)
    session.host.multi_user = multi_user
    session.checked = SettingsError(["Nothing can be checked here; it is a test."])
    with gr.Blocks() as blocks:
        Tab(session).build()
    return blocks, session


def given(hooked: Any, junk: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How gradio would hand `junk` to a handler, for every control that it reads."""
    values = ({control: junk for control in hooked.inputs},) if hooked.inputs_as_dict else (junk,) * len(hooked.inputs)
    wants = inspect.signature(hooked.fn).parameters
    return values, {"request": page()} if "request" in wants else {}


def handlers(blocks: Any) -> Iterator[Any]:
    for hooked in blocks.fns.values():
        if hooked.fn is not None and hooked.inputs and not inspect.isgeneratorfunction(inspect.unwrap(hooked.fn)):
            yield hooked


def fault(hooked: Any, junk: Any) -> str:
    values, more = given(hooked, junk)
    try:
        answer = hooked.fn(*values, **more)
    except Exception as error:  # noqa: BLE001 - that none gets out is what is tested
        return f"{type(error).__name__}: {error}"
    said = [str(value) for value in answer.values()] if isinstance(answer, dict) else []
    words = next((text for text in said if "Traceback" in text), "")
    return words or next(
        (f"{len(text)} characters" for text in said if "tp-error" in text and len(text) > MOST_CHARACTERS), ""
    )


@pytest.mark.promise("bad input")
def test_no_handler_breaks_by_what_no_browser_sends(folders: Folders, cases: Cases) -> None:
    blocks, _ = built(folders, multi_user=False)
    wrong = {}
    before = listing(folders.user_data)
    for hooked in handlers(blocks):
        for junk in JUNK:
            what = fault(hooked, junk)
            cases.count(not what)
            if what:
                name = getattr(inspect.unwrap(hooked.fn), "__qualname__", str(hooked.fn))
                wrong[f"{name}({str(junk)[:20]!r})"] = what[:250]
    assert not wrong, "\n".join(f"{name}: {what}" for name, what in wrong.items())
    written = {name for name in listing(folders.user_data) if not name.endswith(".lock")}
    assert written == {*before, "training/datasets/sample.txt"}  # which is what that button is for


@pytest.mark.promise("bad input")
def test_form_values_that_can_not_be(cases: Cases) -> None:
    form = Form(editable=True)
    with gr.Blocks():
        build_form(form)
    usual = {control: control.value for control in form.controls.values()} | {form.kind: BOTH}
    for name in form.controls:
        for junk in (NAN, [], {}, {"a": 1}, "x" * 100_001, "\x00", "\ud800"):
            with pytest.raises(SettingsError) as caught:
                form.settings({**usual, form.controls[name]: junk})
            cases.count(name in str(caught.value) and len(str(caught.value)) < 600 and "\n" not in str(caught.value))
    assert cases.survived == cases.tried


@pytest.mark.promise("no one in")
def test_several_people_can_change_nothing_by_any_handler(folders: Folders, cases: Cases) -> None:
    make_adapter(folders.loras / "mine")
    blocks, session = built(folders, multi_user=True)
    run = StandInRun(folders, Settings(name="mine"))
    session.run = run
    before, values = listing(folders.user_data), run.controls.values
    for hooked in blocks.fns.values():
        if hooked.fn is None or inspect.isgeneratorfunction(inspect.unwrap(hooked.fn)):
            continue
        for junk in (["mine"], "mine", 1.0, True):
            arguments, more = given(hooked, junk)
            with suppress(TypeError, AttributeError, ValueError):  # of a handler that a page alone calls
                hooked.fn(*arguments, **more)
            same = listing(folders.user_data) == before and run.controls.values == values and not session.started
            cases.count(same and not run.controls.interrupt_reason and not run.controls.paused)
    assert cases.survived == cases.tried > 10


@pytest.mark.promise("no one in")
@pytest.mark.parametrize("multi_user", [True, False])
def test_no_handler_is_an_endpoint_that_can_be_called_by_name(multi_user: bool, folders: Folders, cases: Cases) -> None:
    blocks, _ = built(folders, multi_user)
    named = {}
    for number, hooked in blocks.fns.items():
        closed = False in (hooked.api_name, getattr(hooked, "api_visibility", "") != "private")
        closed = closed or (hooked.api_name in NAMED and len(hooked.inputs) == 1)
        closed = closed or hooked.fn is None  # the browser's own work
        cases.count(closed)
        if not closed:
            named[number] = hooked.api_name
    assert not named and cases.tried > 5
