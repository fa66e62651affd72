from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.ui.made import NASTY
from tests.ui.stand_ins import StandInSession, no_bar, page
from tests.ui.views.test_markup import Reader
from training_pro.data.advice import Suggestion
from training_pro.data.verify import Facts, Verification
from training_pro.errors import Cancelled, DataError
from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.ui.form import PARTS, Form
from training_pro.ui.panels.verify import MOST_SUGGESTIONS, Telling, Verify
from training_pro.ui.views.verify import verify_view


def found(*suggestions: Suggestion, **more: Any) -> Any:
    """What a check of 40 blocks has found."""
    counts = dict.fromkeys(Facts.__dataclass_fields__, 0)
    facts = Facts(**{**counts, "samples": 40, "packed": 30, "overlap": 10, "total_updates": 30, **more})
    return SimpleNamespace(
        prepared=SimpleNamespace(report=SimpleNamespace(sources=(SimpleNamespace(kind="text"),))),
        memory=None,
        pace=None,
        plan=make_plan(40, 4, 1, 3.0),
        verification=Verification(facts, suggestions, (f"note {NASTY}",), (f"refusal {NASTY}",)),
    )


class Panel:
    """Verify on a page of its own, over a session that finds what `session.checked` says."""

    def __init__(self, folders: Folders) -> None:
        self.session = StandInSession(folders)
        self.session.checked = found()
        self.form = Form(editable=True)
        with gr.Blocks():
            self.form.build_fields("name", "override", "text_file", "dataset", "format")
            for part in PARTS:
                self.form.build_part(part)
            self.verify = Verify(self.session, self.form)
            self.verify.build()

    def data(self, **changes: Any) -> dict[Any, Any]:
        values = {name: control.value for name, control in self.form.controls.items()}
        return {self.form.controls[name]: v for name, v in {**values, "text_file": "a.txt", **changes}.items()}

    def run(self, who: str = "one", **changes: Any) -> dict[Any, Any]:
        return self.verify._verify(self.data(**changes), page(who), no_bar)


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_facts_notes_and_refusals_are_shown_as_text() -> None:
    html = verify_view(found())
    words = Reader(html).words
    assert "40" in words and "30 packed, 10 overlap" in words and "4 × 1" in words
    assert "img" not in Reader(html).tags and "note <img" in words and "refusal <img" in words


def test_nothing_that_is_zero_takes_room() -> None:
    words = Reader(verify_view(found())).words
    assert "Dropped rows" not in words and "Depth" not in words
    assert "Dropped rows" in Reader(verify_view(found(dropped_rows=3))).words


def test_suggestions_become_buttons_that_change_the_form(panel: Panel) -> None:
    panel.session.checked = found(Suggestion("Warmup 3", {"warmup_steps": 3}), Suggestion("Save", {"save_steps": 6}))
    updates = panel.run()
    shown = [updates[button] for button in panel.verify.suggestions]
    assert [one["value"] for one in shown[:2]] == ["Warmup 3", "Save"]
    assert [one["visible"] for one in shown] == [True, True] + [False] * (MOST_SUGGESTIONS - 2)
    taken = panel.verify._take(1, {panel.verify.changes: updates[panel.verify.changes]})
    assert taken[panel.form.controls["save_steps"]]["value"] == 6
    assert panel.verify._take(5, {panel.verify.changes: updates[panel.verify.changes]}) == {}


def test_a_check_that_begins_takes_away_what_the_one_before_found(panel: Panel) -> None:
    panel.session.checked = found(Suggestion("Warmup 3", {"warmup_steps": 3}))
    assert "Suggestions" in panel.run()[panel.verify.offered]
    begun = panel.verify._begin(page("one"))
    assert begun[panel.verify.found] == begun[panel.verify.offered] == "" and begun[panel.verify.cancel]["visible"]
    assert not any(begun[suggestion]["visible"] for suggestion in panel.verify.suggestions)
    panel.session.checked = found()
    assert "No suggestions" in panel.run()[panel.verify.offered]


@pytest.mark.parametrize(
    ("name", "said"), [("", "No name is typed yet"), ("a.b", "a.b"), ("mine", "Start will ask"), ("new", "")]
)
def test_what_start_would_say_of_the_name_is_said_before(name: str, said: str, panel: Panel, folders: Folders) -> None:
    (folders.loras / "mine").mkdir()
    shown = Reader(panel.run(name=name)[panel.verify.found])
    assert said in shown.words and ("tp-warning" in panel.run(name=name)[panel.verify.found]) == bool(said)


def test_a_check_that_finds_the_same_is_new_all_the_same() -> None:
    """The page marks what it shows as out of date when a setting is changed; the same text would stay marked."""
    first = verify_view(found())
    time.sleep(0.002)
    assert verify_view(found()) != first


def test_the_last_check_is_kept_for_the_same_settings_alone(panel: Panel) -> None:
    assert not panel.verify.has_checked and panel.verify.blocks is None
    panel.run()
    assert panel.verify.blocks == 40
    first = panel.session.checked
    panel.session.checked = DataError("It was looked at again.")
    settings = panel.form.settings(panel.data())
    assert panel.verify.checked(settings, no_bar) is first
    with pytest.raises(DataError, match="again"):
        panel.verify.checked(settings.changed(rank=7), no_bar)


def test_verify_looks_at_the_file_anew(panel: Panel) -> None:
    panel.run()
    panel.session.checked = DataError("The file is gone.")
    with pytest.raises(DataError, match="gone"):
        panel.run()
    assert not panel.verify.has_checked


def test_a_cancel_ends_the_work_of_its_own_page_and_of_no_other(panel: Panel) -> None:
    panel.session.told = [(1, 10, "Reading"), (2, 10, "Reading")]
    for who in ("one", "two"):
        panel.verify._begin(page(who))
    panel.verify._cancel(page("one"))
    assert panel.verify.found in panel.run("two")
    with pytest.raises(Cancelled):
        panel.run("one")
    panel.verify._begin(page("one"))
    assert panel.verify.found in panel.run("one")


def test_a_cancel_that_comes_while_the_work_waits_counts(panel: Panel) -> None:
    panel.session.told = [(1, 10, "Reading")]
    panel.verify._begin(page())
    panel.verify._cancel(page())
    with pytest.raises(Cancelled):
        panel.run()
    assert panel.verify.found in panel.run()


def test_a_cancel_with_nothing_going_does_nothing(panel: Panel) -> None:
    panel.verify._cancel(page())
    assert panel.verify.found in panel.run()


def test_progress_is_told_a_few_times_a_second_only() -> None:
    told: list[Any] = []
    telling = Telling(lambda *given, **more: told.append((*given, more["desc"])), SimpleNamespace(is_set=bool))
    for done in range(1000):
        telling(done, 1000, "Reading")
    assert told[0] == ((0, 1000), "Reading")
    assert len(told) < 100
