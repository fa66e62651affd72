"""Settings: defaults of the specification, limits, and all faults of a form at once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro import settings as s
from training_pro.errors import SettingsError, UserError
from training_pro.settings import (
    DEFAULTS,
    SPECS,
    Settings,
    checked_value,
    from_dict,
    read_json_object,
    to_dict,
    to_json,
)

# SPEC section 0, in our names
SPECIFIED = {
    "override": False,
    "rank": 32,
    "alpha": 0.0,
    "dropout": 0.05,
    "use_rslora": False,
    "rslora_alpha": 16.0,
    "use_dora": False,
    "targets": "q-v",
    "train_head": False,
    "batch_size": 4,
    "gradient_accumulation_steps": 1,
    "epochs": 3.0,
    "learning_rate": 3e-4,
    "lr_scheduler_type": "FP_low_epoch_annealing",
    "warmup_steps": -1,
    "warmup_ratio": 0.0,
    "optimizer": "adamw_torch",
    "neftune_noise_alpha": 0.0,
    "gradient_checkpointing": "auto",
    "deterministic": False,
    "max_tokens": 256,
    "hard_cut": "\\n\\n\\n",
    "overlap": True,
    "dementor": False,
    "min_block_chars": 0,
    "add_bos": True,
    "eos": "block",
    "train_only_after": "",
    "group_by_length": True,
    "too_long": "trim",
    "hybrid": False,
    "hybrid_data_percent": 100.0,
    "hybrid_text_percent": 100.0,
    "save_steps": 0,
    "save_at_loss": 1.8,
    "stop_at_loss": 0.0,
    "stop_at_epoch": 0,
    "report_to": "none",
}


@pytest.mark.parametrize("name", SPECIFIED)
def test_default_is_the_specified_one(name: str) -> None:
    assert DEFAULTS[name] == SPECIFIED[name]
    assert getattr(Settings(), name) == SPECIFIED[name]


def test_stop_at_loss_goes_to_ten_in_hundredths() -> None:
    spec = SPECS["stop_at_loss"]
    assert (spec.low, spec.high, spec.step) == (0, 10, 0.01)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().rank = 8


def test_every_default_lies_within_its_limits_and_choices() -> None:
    for name, default in DEFAULTS.items():
        assert checked_value(name, default) == default


def test_every_setting_has_a_label_and_one_sentence_of_help() -> None:
    labels = [spec.label for spec in SPECS.values()]
    assert len(set(labels)) == len(labels)
    assert all(spec.help.endswith((".", ")", ". 0: off.")) for spec in SPECS.values())


def test_json_there_and_back() -> None:
    chosen = Settings(name="a", rank=8, learning_rate=1e-5, hard_cut="***", stop_at_loss=1.25)
    assert from_dict(json.loads(to_json(chosen))) == chosen


def test_numbers_may_come_as_text_as_the_original_stored_them() -> None:
    assert from_dict({"learning_rate": "3e-4", "rank": "16"}) == Settings(learning_rate=3e-4, rank=16)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rank", 0, "from 1 to 2048"),
        ("rank", 3.5, "a whole number"),
        ("rank", True, "a number"),
        ("rank", None, "a number"),
        ("rank", [], "a number"),
        ("learning_rate", "fast", "a number"),
        ("learning_rate", float("nan"), "a finite number"),
        ("learning_rate", float("inf"), "a finite number"),
        ("learning_rate", 0, "from 1e-09 to 1"),
        ("epochs", -1, "from 0.001"),
        ("override", "yes", "true or false"),
        ("override", 1, "true or false"),
        ("targets", "q", "one of: q-v"),
        ("name", 5, "text"),
        ("name", "a\x00b", "without NUL"),
        ("stop_at_loss", 10.5, "from 0 to 10"),
        ("seed", 2**32, "from 0 to"),
        ("rank", 10**400, "a number"),
    ],
)
def test_a_bad_value_gets_one_sentence_with_label_value_and_way_out(name: str, value: Any, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_dict({name: value})
    (fault,) = map(str, caught.value.faults)
    assert SPECS[name].label in fault
    assert said in fault
    assert len(fault) < 300


def test_all_faults_of_a_form_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        from_dict({"rank": 0, "epochs": "many", "nonsense": 1, "batch_size": 2})
    assert len(caught.value.faults) == 3


def test_an_unknown_name_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match="did you mean learning_rate"):
        from_dict({"learning_rat": 1e-4})


def test_constructing_checks_too() -> None:
    with pytest.raises(SettingsError):
        Settings(rank=0)


def test_rslora_has_its_own_alpha() -> None:
    assert Settings(use_rslora=True).lora_alpha_used() == 16
    assert Settings().lora_alpha_used() == 64


def test_alpha_follows_the_rank_until_it_is_given() -> None:
    assert Settings(rank=8).lora_alpha_used() == 16
    assert Settings(rank=8, alpha=64).lora_alpha_used() == 64


def test_auto_is_a_word_for_the_settings_that_have_it() -> None:
    settings = from_dict({"warmup_steps": "auto", "alpha": "Auto"})
    assert (settings.warmup_steps, settings.alpha) == (-1, 0)
    with pytest.raises(SettingsError) as refused:
        from_dict({"rank": "auto"})
    assert "rank" in str(refused.value)


@given(
    st.dictionaries(st.sampled_from(sorted(SPECS)), st.none() | st.booleans() | st.integers() | st.floats() | st.text())
)
def test_whatever_comes_in_gives_settings_or_sentences(values: dict[str, Any]) -> None:
    try:
        made = from_dict(values)
    except SettingsError as error:
        assert error.faults and all(str(fault).strip() for fault in error.faults)
    else:
        assert from_dict(to_dict(made)) == made


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "not valid JSON"), (b"[1]", "holds a list"), (b"\xff\xfe", "not UTF-8"), (b"[" * 100_000, "nested")],
)
def test_a_bad_settings_file_gets_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_json_object(path)


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothere.json"):
        read_json_object(tmp_path / "nothere.json")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert read_json_object(path) == {}


def test_module_needs_the_standard_library_alone() -> None:
    source = Path(s.__file__).read_text(encoding="utf-8")
    assert "import torch" not in source and "import gradio" not in source


@pytest.mark.parametrize(
    ("old", "now"), [(True, "on"), (False, "off"), ("true", "on"), ("False", "off"), ("on", "on"), ("auto", "auto")]
)
def test_a_switch_of_older_files_means_a_choice_of_today(old: object, now: str) -> None:
    assert from_dict({"gradient_checkpointing": old}).gradient_checkpointing == now
