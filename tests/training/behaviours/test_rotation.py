"""Which checkpoints are taken away, and which never."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from training_pro.record.checkpoints import CheckpointNote, checkpoints, write_checkpoint_note
from training_pro.training.behaviours.checkpoints import rotate


def made(run: Path, update: int, reason: str = "every 2 updates", whole: bool = True) -> None:
    folder = run / f"checkpoint-{update}"
    folder.mkdir(parents=True)
    save_file({"w": np.zeros(2, np.float32)}, folder / "adapter_model.safetensors")
    for name in ("adapter_config.json", "trainer_state.json", "scheduler.pt", "rng_state.pth"):
        (folder / name).write_text("{}", encoding="utf-8")
    if whole:
        (folder / "optimizer.pt").write_text("x", encoding="utf-8")
    write_checkpoint_note(folder, CheckpointNote(update, reason))


def left(run: Path) -> list[int]:
    return [found.update for found in checkpoints(run)]


def test_the_newest_stay_and_the_best(tmp_path: Path) -> None:
    for update in (2, 4, 6, 8):
        made(tmp_path, update, "best evaluation loss 1.2" if update == 2 else "every 2 updates")
    assert [path.name for path in rotate(tmp_path, 2)] == ["checkpoint-4"]
    assert left(tmp_path) == [2, 6, 8]
    assert rotate(tmp_path, 0) == []


def test_one_that_can_not_be_continued_takes_no_place_from_one_that_can(tmp_path: Path) -> None:
    made(tmp_path, 34)
    made(tmp_path, 36, whole=False)
    assert rotate(tmp_path, 1) == []
    assert left(tmp_path) == [34, 36]
