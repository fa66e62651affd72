from __future__ import annotations

import pytest

from tests.record.adapters import make_adapter, make_checkpoint
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.adapter_files import WEIGHTS_FILE
from training_pro.record.checkpoints import CheckpointNote, write_checkpoint_note
from training_pro.record.lora_choices import chosen_lora, lora_choices
from training_pro.record.runs import list_runs


def test_a_lora_is_followed_by_its_checkpoints_the_newest_first(folders: Folders) -> None:
    run = make_adapter(folders.loras / "sea")
    make_checkpoint(run, "checkpoint-4")
    write_checkpoint_note(make_checkpoint(run, "checkpoint-12"), CheckpointNote(12, "end of epoch 1"))
    (make_checkpoint(run, "checkpoint-9") / WEIGHTS_FILE).unlink()
    make_checkpoint(folders.loras / "cut off", "checkpoint-7-loss-1_75")
    found = lora_choices(sorted(list_runs(folders), key=lambda one: one.name, reverse=True))
    values = [choice.value for choice in found]
    assert values == ["sea", "sea/checkpoint-12", "sea/checkpoint-4", "cut off/checkpoint-7-loss-1_75"]
    assert "12 (end of epoch 1)" in found[1].label
    for choice in found:
        assert chosen_lora(folders, choice.value) == choice


@pytest.mark.parametrize("value", ["", "gone", "sea/checkpoint-9", "sea/../sea", "../sea", "sea/checkpoint-4/.."])
def test_what_is_not_there_is_refused(value: str, folders: Folders) -> None:
    make_checkpoint(make_adapter(folders.loras / "sea"), "checkpoint-4")
    with pytest.raises(RunError):
        chosen_lora(folders, value)
