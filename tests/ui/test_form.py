from __future__ import annotations

from collections import Counter
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.stand_ins import build_form
from training_pro.errors import Fault, SettingsError
from training_pro.settings import DEFAULTS, SPECS, Settings, to_dict
from training_pro.ui.fields import NOTHING, field_update
from training_pro.ui.form import BOTH, ELSEWHERE, ROWS, TEXT, Form, groups
from training_pro.ui.handlers import answering
from training_pro.ui.labels import AUTO, NUMBERS, WHILE_IT_LEARNS, as_on_page, shown_value
from training_pro.ui.views.markup import box, on_page


@pytest.fixture(scope="module")
def form() -> Form:
    made = Form(editable=True)
    with gr.Blocks():
        build_form(made)
    return made


def typed(form: Form, **changes: Any) -> dict[Any, Any]:
    """What a page sends: every control's value."""
    kind = changes.pop("kind", TEXT)
    values = {name: control.value for name, control in form.controls.items()} | changes
    return {form.kind: kind} | {form.controls[name]: value for name, value in values.items()}


def test_every_setting_has_one_place(form: Form) -> None:
    placed = Counter([*ELSEWHERE, *(name for group in groups() for name in group.names)])
    assert set(placed) == set(SPECS) and max(placed.values()) == 1
    assert {*NUMBERS, *WHILE_IT_LEARNS} <= set(ELSEWHERE)


def test_the_short_help_that_names_style_has_a_number_for_rows_too() -> None:
    for words in (help_ for _, help_ in NUMBERS.values() if "tyle" in help_):
        assert "Chats: " in words or "Rows: " in words


def test_an_untouched_page_gives_the_defaults(form: Form) -> None:
    assert form.settings(typed(form)) == Settings()


@pytest.mark.parametrize("name", ["text_file", "dataset", "format", "eval_dataset", "chat_template"])
def test_a_list_that_was_opened_and_left_still_says_nothing(name: str, form: Form) -> None:
    assert getattr(form.settings(typed(form, kind=BOTH, **{name: NOTHING[0]})), name) == ""


@pytest.mark.parametrize(
    ("kind", "text", "dataset", "hybrid"),
    [(TEXT, "a.txt", "", False), (ROWS, "", "b.json", False), (BOTH, "a.txt", "b.json", True)],
)
def test_only_files_of_the_chosen_kind_count(kind: str, text: str, dataset: str, hybrid: bool, form: Form) -> None:
    settings = form.settings(typed(form, kind=kind, text_file="a.txt", dataset="b.json"))
    assert (settings.text_file, settings.dataset, settings.hybrid) == (text, dataset, hybrid)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (Settings(text_file="a.txt"), TEXT),
        (Settings(dataset="b.json"), ROWS),
        (Settings(text_file="a.txt", dataset="b.json", hybrid=True), BOTH),
    ],
)
def test_filling_chooses_the_kind(settings: Settings, kind: str, form: Form) -> None:
    updates = form.fill(settings)
    assert updates[form.kind]["value"] == kind
    assert updates[form.controls["dataset"]]["visible"] == (kind != TEXT)
    assert updates[form.controls["text_file"]]["visible"] == (kind != ROWS)


@pytest.mark.parametrize(("typed_as", "value"), [(AUTO, 0.0), ("", 0.0), ("16", 16.0), (24, 24.0)])
def test_auto_is_a_word_or_an_empty_field(typed_as: Any, value: float, form: Form) -> None:
    assert form.settings(typed(form, alpha=typed_as)).alpha == value


def test_what_a_browser_kept_is_taken_as_far_as_it_is_in_order(form: Form) -> None:
    kept = form.kept('{"rank": 8, "epochs": "many", "gone": 1, "name": "tales"}')
    assert kept == {"rank": 8, "name": "tales"}
    as_fields_hold_them = form.kept('{"alpha": "32", "warmup_steps": "auto", "learning_rate": "2e-4", "gone": [1]}')
    assert as_fields_hold_them == {"alpha": 32, "warmup_steps": SPECS["warmup_steps"].auto, "learning_rate": 2e-4}
    assert form.change(as_fields_hold_them)[form.controls["alpha"]]["value"] == "32"
    assert form.kept("") == form.kept("[1]") == form.kept("{nonsense") == {}


def test_labels_and_help_are_those_of_the_settings(form: Form) -> None:
    for name, control in form.controls.items():
        assert (control.label, control.info) == (SPECS[name].label, SPECS[name].help)


def test_what_is_typed_is_what_is_trained(form: Form) -> None:
    changes = {"name": " mine ", "rank": 8, "learning_rate": "1e-5", "hard_cut": "***\\n", "override": True}
    settings = form.settings(typed(form, **changes))
    assert to_dict(settings) == {
        **DEFAULTS,
        "name": "mine",
        "rank": 8,
        "learning_rate": 1e-5,
        "hard_cut": "***\\n",
        "override": True,
    }


def test_all_faults_are_told_at_once(form: Form) -> None:
    with pytest.raises(SettingsError) as caught:
        form.settings(typed(form, rank=0, learning_rate="fast", epochs=None, stop_at_epoch=1.5))
    assert len(caught.value.faults) == 4


def test_a_list_with_nothing_chosen_means_nothing(form: Form) -> None:
    assert form.settings(typed(form, text_file=None, dataset="")).text_file == ""


def test_filling_shows_every_setting(form: Form) -> None:
    updates = form.fill(Settings(name="a", rank=1000, learning_rate=2.5e-5, max_tokens=64))
    assert set(updates) == {form.kind, *form.controls.values()}
    assert updates[form.controls["learning_rate"]]["value"] == "2.5e-5"
    assert updates[form.controls["rank"]]["value"] == 1000
    assert updates[form.controls["alpha"]]["value"] == AUTO


def test_in_multi_user_mode_nothing_can_be_typed() -> None:
    locked = Form(editable=False)
    with gr.Blocks():
        locked.build_fields("name", "text_file", "rank", "overlap")
    assert not any(control.interactive for control in locked.controls.values())


@given(st.floats(1e-9, 1.0))
def test_a_learning_rate_survives_being_shown(rate: float) -> None:
    assert float(shown_value("learning_rate", rate)) == rate


def test_a_learning_rate_is_shown_as_people_write_it() -> None:
    assert [shown_value("learning_rate", rate) for rate in (3e-4, 1e-5, 0.0015)] == ["3e-4", "1e-5", "1.5e-3"]
    assert field_update("learning_rate", 3e-4)["value"] == "3e-4"


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("rank", None, "LoRA Rank is empty; it must be a number."),
        ("learning_rate", "  ", "Learning Rate is empty; it must be a number."),
        ("stop_at_epoch", 0.5, "Stop at Epoch is 0.5; it must be a whole number."),
        ("save_steps", -1, "Save every is -1; it must be from 0 to 1,000,000 updates."),
        ("max_tokens", None, "Maximum context length is empty; it must be a number."),
        ("gradient_accumulation_steps", 0, "Gradient Accumulation is 0; it must be from 1 to 1024."),
    ],
)
def test_a_wrong_value_is_said_in_the_words_of_the_page(setting: str, value: Any, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings(**{setting: value})
    (fault,) = refused.value.faults
    assert f"({setting})" in fault.text, "which the command line needs"
    assert as_on_page(fault.text, fault.setting) == on_page(fault) == words
    assert f"<p>{words}</p>" in box("error", refused.value.faults)


def test_a_handler_says_it_so_too() -> None:
    def refuse() -> Any:
        raise SettingsError([Fault("Stop at Epoch (stop_at_epoch) is 0.5.", "stop_at_epoch")])

    assert "<p>Stop at Epoch is 0.5.</p>" in answering(refuse, "said", "starting")()["said"]
