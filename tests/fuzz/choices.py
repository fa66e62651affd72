"""Settings in each way they can be given: any bytes become settings that can be written and read again, or faults."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from tests.attack.refusing import unclear
from tests.fuzz.target import answered, as_text, folder_with, target
from training_pro.cli import settings_file
from training_pro.cli.settings_file import settings_in
from training_pro.data.rendering.rendering import loss_place
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.legacy_settings import settings_from
from training_pro.record.names import check_name, run_folder
from training_pro.settings import Settings, from_dict, read_json_object, to_dict, to_json

OLD = (
    b'{"micro_batch_size": 4, "batch_size": 128, "lora_rank": 8, "warmup_steps": 10, "raw_text_file": "a", "dataset": '
    b'"None", "add_eos_token": true, "add_eos_token_type": "Every Block", "q_proj_en": true, "lora_RS": true, '
    b'"train_only_after": "a", "excess_length": "drop"}'
)


def quietly(path: Path, datasets: Path) -> Settings:
    with patch.object(settings_file, "complain"):
        return settings_in(path, [], datasets)


def check_settings(found: Settings | None) -> None:
    if found is None:
        return
    assert from_dict(to_dict(found)) == found
    with folder_with({"again.json": to_json(found).encode()}) as folder:
        assert from_dict(read_json_object(folder / "again.json")) == found
    answered(lambda: loss_place(found.loss_on, found.train_only_after))


@target(
    "settings",
    b'{"rank": 8, "name": "a", "epochs": 1.5, "add_bos": false}',
    b'{"rank": "8", "stop_at_loss": 1e400}',
    OLD,
)
def settings(content: bytes) -> None:
    with folder_with({"a.json": content}) as folder:
        check_settings(answered(lambda: quietly(folder / "a.json", folder)))


@target("settings in YAML", b"rank: 8\nname: a\nepochs: 1.5\n", b"a: &a [1]\nrank: *a\n", b"seed: 2026-13-01\n", OLD)
def settings_in_yaml(content: bytes) -> None:
    with folder_with({"a.yaml": content}) as folder:
        check_settings(answered(lambda: quietly(folder / "a.yaml", folder)))


@target("old settings", OLD, b'{"eval_stepsJSONL": 5, "datasetJSONL": "b", "grad_accumulation": 3}')
def old_settings(content: bytes) -> None:
    with folder_with({"a.json": content}) as folder:
        values = answered(lambda: read_json_object(folder / "a.json"))
        found = answered(lambda: settings_from({"micro_batch_size": 4, **values}, folder)) if values else None
    if found is not None:
        check_settings(found[0])
        assert not any(map(unclear, found[1]))


@target("overrides", b"rank=8\nname=a=b", b"epochs=1e3\nadd_bos=on\nseed=" + b"9" * 30, b"=\n\nrank")
def overrides(content: bytes) -> None:
    check_settings(answered(lambda: settings_in(None, as_text(content).split("\n"))))


@target("name", "Äpfel-1".encode(), b"a.b", b"con", "\u1100\u1161 e\u0301".encode(), b"lora_", b" a/b ", b"-a")
def name(content: bytes) -> None:
    """A good name is its own name, and one folder right below the LoRA folder."""
    given = as_text(content)
    checked = answered(lambda: check_name(given))
    if checked is None:
        return
    assert check_name(checked) == checked
    with folder_with({}) as folder:
        folders = Folders(folder, folder / "loras", folder / "models")
        folders.loras.mkdir()
        place = run_folder(folders, given)
        assert place == folders.loras / checked and place.parent == folders.loras and place.name == checked
        place.mkdir()
        try:
            assert run_folder(folders, given) == place
        except RunError as error:
            raise AssertionError(f"{given!r} is not found again: {error}") from error
