"""Files of the original extension and of the WebUI's own trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training_pro.data.rendering.rendering import loss_place
from training_pro.errors import SettingsError
from training_pro.legacy_settings import is_legacy, our_values, settings_from
from training_pro.settings import Settings

ORIGINAL: dict[str, Any] = {
    "lora_name": "tales",
    "always_override": True,
    "save_steps": 30,
    "micro_batch_size": 4,
    "batch_size": 0,
    "grad_accumulation": 3,
    "epochs": 2,
    "learning_rate": "2e-4",
    "lr_scheduler_type": "FP_half_time_annealing",
    "lora_rank": 64,
    "lora_alpha": 128,
    "lora_dropout": 0.1,
    "cutoff_len": 512,
    "dataset": "None",
    "eval_dataset": "None",
    "format": "None",
    "eval_steps": 100,
    "raw_text_file": "novel",
    "higher_rank_limit": False,
    "warmup_steps": 100,
    "optimizer": "adamw_torch",
    "hard_cut_string": "***",
    "train_only_after": "",
    "stop_at_loss": 1.5,
    "add_eos_token": True,
    "add_eos_token_type": "Hard Cut Blocks Only",
    "min_chars": 10,
    "report_to": "None",
    "precize_slicing_overlap": False,
    "save_steps_under_loss": 1.6,
    "add_bos_token": False,
    "training_projection": "q-k-v-o",
    "sliding_window": True,
    "warmup_ratio": 0.05,
    "neft_noise_alpha": 5,
    "group_by_length": False,
    "eliminate_long_blocks": True,
    "stop_at_epoch": 2,
    "datasetJSONL": "None",
    "eval_datasetJSONL": "None",
    "eval_stepsJSONL": 100,
    "hybrid_training": False,
    "hybrid_data_ratio": 50,
    "hybrid_text_ratio": 60,
    "lora_RS": True,
    "lora_RS_alpha": 20,
    "lora_modulessave": True,
    "use_grad_checkpoint": True,
}


def test_every_key_of_the_original_is_taken_over() -> None:
    settings, notes = settings_from(ORIGINAL)
    assert settings == Settings(
        name="tales",
        override=True,
        save_steps=10,
        batch_size=4,
        gradient_accumulation_steps=3,
        epochs=2,
        learning_rate=2e-4,
        lr_scheduler_type="FP_half_time_annealing",
        rank=64,
        alpha=128,
        dropout=0.1,
        max_tokens=512,
        text_file="novel.txt",
        eval_steps=34,
        warmup_steps=34,
        hard_cut="***",
        stop_at_loss=1.5,
        eos="cut",
        min_block_chars=10,
        overlap=False,
        save_at_loss=1.6,
        add_bos=False,
        targets="q-k-v-o",
        dementor=True,
        warmup_ratio=0.05,
        neftune_noise_alpha=5,
        group_by_length=False,
        too_long="eliminate",
        stop_at_epoch=2,
        hybrid_data_percent=50,
        hybrid_text_percent=60,
        use_rslora=True,
        rslora_alpha=20,
        train_head=True,
        gradient_checkpointing="on",
    )
    assert settings.lora_alpha_used() == 20
    assert [note for note in notes if "count" not in note] == []


@pytest.mark.parametrize(
    ("batch", "micro", "stored", "accumulation"),
    [(128, 4, 1, 32), (2, 4, 9, 1), (0, 4, 3, 3), (None, 4, 3, 3), (0, 4, None, 1), (10, 4, 1, 2)],
)
def test_global_batch_size_becomes_accumulation(batch: Any, micro: int, stored: Any, accumulation: int) -> None:
    values = {"micro_batch_size": micro, "batch_size": batch, "grad_accumulation": stored}
    assert settings_from(values)[0].gradient_accumulation_steps == accumulation


def test_a_file_without_batch_size_uses_the_stored_accumulation() -> None:
    assert settings_from({"micro_batch_size": 4, "grad_accumulation": 7})[0].gradient_accumulation_steps == 7


@pytest.mark.parametrize(("steps", "updates"), [(0, 0), (1, 1), (32, 1), (33, 2), (100, 4)])
def test_steps_counted_batches(steps: int, updates: int) -> None:
    values = {"micro_batch_size": 4, "batch_size": 128, "warmup_steps": steps, "save_steps": steps}
    settings, _ = settings_from(values)
    assert (settings.warmup_steps, settings.save_steps) == (updates, updates)


def test_webui_trainer_file() -> None:
    settings, notes = settings_from(
        {
            "lora_name": "w",
            "micro_batch_size": 4,
            "batch_size": 32,
            "cutoff_len": 512,
            "all_linear": False,
            "q_proj_en": True,
            "v_proj_en": True,
            "down_proj_en": True,
            "optimizer": "adamw_hf",
            "excess_length": "drop",
            "stride_length": 256,
            "dataset": "chats",
            "lora_rank": 8,
        }
    )
    assert (settings.targets, settings.target_modules) == ("own list", "q_proj, v_proj, down_proj")
    assert (settings.optimizer, settings.too_long, settings.dataset) == ("adamw_torch", "eliminate", "chats.json")
    assert any("adamw_hf" in note for note in notes) and any("stride_length" in note for note in notes)


def test_train_only_after_really_counts() -> None:
    settings, _ = settings_from({"micro_batch_size": 1, "train_only_after": "### Response:"})
    assert (settings.loss_on, settings.train_only_after) == ("after", "### Response:")


@pytest.mark.parametrize(
    ("chosen", "updates"),
    [
        ({"dataset": "None", "datasetJSONL": "chats"}, 3),
        ({"dataset": "rows", "datasetJSONL": "chats"}, 25),
        ({"dataset": "rows", "datasetJSONL": "None"}, 25),
        ({}, 25),
    ],
)
def test_the_jsonl_dataset_is_evaluated_in_its_own_steps(chosen: dict[str, str], updates: int) -> None:
    values = {"micro_batch_size": 4, "grad_accumulation": 4, "eval_steps": 100, "eval_stepsJSONL": 9, **chosen}
    assert settings_from(values)[0].eval_steps == updates


def test_a_bad_number_of_the_jsonl_dataset_is_named_as_it_stands_there() -> None:
    with pytest.raises(SettingsError, match="eval_stepsJSONL is 'often'"):
        settings_from({"micro_batch_size": 4, "datasetJSONL": "chats", "eval_stepsJSONL": "often"})


@pytest.mark.parametrize("everything", [True, False])
def test_loss_on_everything_wins_over_train_only_after_and_is_said(everything: bool) -> None:
    values = {"micro_batch_size": 1, "train_only_after": "### Response:", "train_on_inputs": everything}
    settings, notes = settings_from(values)
    place = loss_place(settings.loss_on, settings.train_only_after).place
    assert (settings.loss_on, place) == (("all", "all") if everything else ("after", "after"))
    assert bool(notes) == everything
    assert all("train_on_inputs" in note and "### Response:" in note for note in notes)


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ((), "novels.txt"),
        (("novels.txt",), "novels.txt"),
        (("novels/",), "novels"),
        (("novels.txt", "novels/"), "novels.txt"),
    ],
)
def test_the_text_may_be_a_folder_where_there_is_no_such_file(
    tmp_path: Path, there: tuple[str, ...], taken: str
) -> None:
    for name in there:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    values = {"micro_batch_size": 1, "raw_text_file": "novels"}
    assert settings_from(values, tmp_path)[0].text_file == taken
    assert settings_from(values)[0].text_file == "novels.txt"


@pytest.mark.parametrize("name", ["None", "", "n" * 3000, "a\x00b"])
def test_no_text_and_an_impossible_one_are_no_folder(tmp_path: Path, name: str) -> None:
    ours, _ = our_values({"micro_batch_size": 1, "raw_text_file": name}, tmp_path)
    assert ours["text_file"] in ("", f"{name}.txt")


def test_unknown_names_are_told_in_one_note() -> None:
    _, notes = settings_from({"micro_batch_size": 1, "overlap_len": 128, "newline_favor_len": 128, "lora_RS_alpha": 16})
    assert notes == ["Not known in an old settings file, and left out: overlap_len, newline_favor_len."]
    _, notes = settings_from({"micro_batch_size": 1, **{f"own {n} {'x' * 999}": n for n in range(1000)}})
    assert len(notes) == 1 and "and 980 more" in notes[0] and len(notes[0]) < 1000


def test_an_older_webui_file_names_its_projections_alone() -> None:
    values = {"micro_batch_size": 1, "q_proj_en": True, "k_proj_en": False, "up_proj_en": True}
    settings, _ = settings_from(values)
    assert (settings.targets, settings.target_modules) == ("own list", "q_proj, up_proj")
    assert settings_from({**values, "training_projection": "q-v"})[0].targets == "q-v"


def test_bad_values_of_an_old_file_are_told_in_our_terms() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({"micro_batch_size": 4, "lora_rank": -1, "epochs": "x"})
    assert len(caught.value.faults) == 2


def test_our_own_file_is_not_taken_for_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"batch_size": 2, "rank": 8}), encoding="utf-8")
    assert not is_legacy(json.loads(path.read_text(encoding="utf-8")))
    assert settings_from(json.loads(path.read_text(encoding="utf-8"))) == (Settings(batch_size=2, rank=8), [])
