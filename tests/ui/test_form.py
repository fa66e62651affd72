from __future__ import annotations

from collections import Counter
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.errors import SettingsError
from training_pro.settings import DEFAULTS, SPECS, Settings, to_dict
from training_pro.ui.fields import NOTHING, SLIDERS, WIDENED, field_update, shown_value
from training_pro.ui.form import FIRST, PARTS, Form


@pytest.fixture(scope="module")
def form() -> Form:
    made = Form(editable=True)
    with gr.Blocks():
        made.build_fields("name", "override")
        made.build_rows(FIRST)
        for part in PARTS:
            made.build_part(part)
    return made


def typed(form: Form, **changes: Any) -> dict[Any, Any]:
    """What a page sends: every control's value."""
    values = {name: control.value for name, control in form.controls.items()} | changes
    return {form.controls[name]: value for name, value in values.items()}


def test_every_setting_has_one_control(form: Form) -> None:
    assert set(form.controls) == set(SPECS)
    placed = Counter(name for part in PARTS for row in part.rows for name in row)
    assert max(placed.values()) == 1


def test_an_untouched_page_gives_the_defaults(form: Form) -> None:
    assert form.settings(typed(form)) == Settings()


@pytest.mark.parametrize("name", ["text_file", "dataset", "format", "eval_dataset", "chat_template"])
def test_a_list_that_was_opened_and_left_still_says_nothing(name: str, form: Form) -> None:
    assert getattr(form.settings(typed(form, **{name: NOTHING[0]})), name) == ""


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
    settings = Settings(name="a", rank=1000, learning_rate=2.5e-5, max_tokens=64)
    updates = form.fill(settings)
    assert set(updates) == set(form.controls.values())
    assert updates[form.controls["learning_rate"]]["value"] == "2.5e-5"
    rank = updates[form.controls["rank"]]
    assert rank["value"] == 1000 and rank["maximum"] >= 1000
    assert "maximum" not in updates[form.controls["max_tokens"]]


def test_sliders_go_as_far_as_is_usual_or_as_is_allowed(form: Form) -> None:
    assert set(WIDENED) == {name for name, most in SLIDERS.items() if most is not None}
    for wide in (False, True):
        for control, update in form.widen(wide).items():
            name = next(name for name, other in form.controls.items() if other is control)
            assert update["maximum"] == (SPECS[name].high if wide else SLIDERS[name])


def test_in_multi_user_mode_nothing_can_be_typed() -> None:
    locked = Form(editable=False)
    with gr.Blocks():
        locked.build_rows(FIRST)
    assert not any(control.interactive for control in locked.controls.values())


@given(st.floats(1e-9, 1.0))
def test_a_learning_rate_survives_being_shown(rate: float) -> None:
    assert float(shown_value("learning_rate", rate)) == rate


def test_a_learning_rate_is_shown_as_people_write_it() -> None:
    assert [shown_value("learning_rate", rate) for rate in (3e-4, 1e-5, 0.0015)] == ["3e-4", "1e-5", "1.5e-3"]
    assert field_update("learning_rate", 3e-4)["value"] == "3e-4"
