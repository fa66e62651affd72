from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.record.adapters import make_checkpoint, newest_complete
from training_pro.record import checkpoints as module
from training_pro.record.checkpoints import CheckpointNote, checkpoints, write_checkpoint_note
from training_pro.record.whole_files import staged_folder


def test_checkpoints_are_listed_by_update_with_their_reason(tmp_path: Path) -> None:
    for name in ("checkpoint-100", "checkpoint-20", "checkpoint-30-loss-1_80"):
        make_checkpoint(tmp_path, name)
    write_checkpoint_note(tmp_path / "checkpoint-20", CheckpointNote(20, "every 20 updates", 1.75, written="2026"))
    (tmp_path / "checkpoint-x").mkdir()
    (tmp_path / "checkpoint-5").write_text("a file")
    (tmp_path / "checkpoint-7").symlink_to(tmp_path / "checkpoint-20")
    found = checkpoints(tmp_path)
    assert [checkpoint.update for checkpoint in found] == [20, 30, 100]
    assert all(checkpoint.complete and not checkpoint.fault for checkpoint in found)
    assert (found[0].reason, found[0].loss, found[0].eval_loss) == ("every 20 updates", 1.75, None)
    newest = newest_complete(tmp_path)
    assert newest is not None and newest.update == 100


@pytest.mark.parametrize(
    ("missing", "loadable"),
    [
        ("optimizer.pt", True), ("scheduler.pt", True), ("trainer_state.json", True), ("rng_state.pth", True),
        ("adapter_config.json", False), ("adapter_model.safetensors", False),
    ],
)  # fmt: skip
def test_what_lacks_a_part_is_not_resumed_exactly(tmp_path: Path, missing: str, loadable: bool) -> None:
    make_checkpoint(tmp_path, "checkpoint-1")
    (make_checkpoint(tmp_path, "checkpoint-2") / missing).unlink()
    last = checkpoints(tmp_path)[-1]
    assert (last.complete, last.loadable) == (False, loadable) and missing in last.fault
    newest = newest_complete(tmp_path)
    assert newest is not None and newest.update == 1


def test_an_empty_part_and_torn_weights_do_not_count(tmp_path: Path) -> None:
    (make_checkpoint(tmp_path, "checkpoint-1") / "optimizer.pt").write_bytes(b"")
    weights = make_checkpoint(tmp_path, "checkpoint-2") / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    first, second = checkpoints(tmp_path)
    assert not first.complete and not second.complete and "truncated" in second.fault
    assert newest_complete(tmp_path) is None


@pytest.mark.parametrize(
    ("ending", "reason", "loss"),
    [
        ("-loss-1_75", "loss fell to 1.75", 1.75),
        ("-epoch-2", "end of epoch 2", None),
        ("-user", "asked for by hand", None),
        ("-my-own", "my own", None),
        ("", "", None),
    ],
)
def test_the_originals_checkpoints_say_in_their_names_why(
    tmp_path: Path, ending: str, reason: str, loss: float | None
) -> None:
    make_checkpoint(tmp_path, f"checkpoint-40{ending}")
    (found,) = checkpoints(tmp_path)
    assert (found.update, found.reason, found.loss) == (40, reason, loss)


def test_a_checkpoint_of_the_original_with_pickled_weights_can_be_used(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, "checkpoint-40-user")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    (found,) = checkpoints(tmp_path)
    assert found.loadable


def test_a_checkpoint_being_written_is_not_listed(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "checkpoint-9") as staging:
        make_checkpoint(staging.parent, staging.name)
        assert checkpoints(tmp_path) == []
    assert [checkpoint.update for checkpoint in checkpoints(tmp_path)] == [9]


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b'{"reason": 5, "loss": "x"}'])
def test_a_broken_note_is_no_fault(tmp_path: Path, raw: bytes) -> None:
    (make_checkpoint(tmp_path, "checkpoint-1") / "training_checkpoint.json").write_bytes(raw)
    (found,) = checkpoints(tmp_path)
    assert found.complete and found.reason == "" and found.loss is None


def test_no_folder_has_no_checkpoints(tmp_path: Path) -> None:
    assert checkpoints(tmp_path / "gone") == [] and newest_complete(tmp_path / "gone") is None


def test_a_checkpoint_that_is_rotated_away_meanwhile_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("checkpoint-1", "checkpoint-2"):
        make_checkpoint(tmp_path, name)
    whole = module._state_fault

    def gone(folder: Path) -> str:
        if folder.name == "checkpoint-1":
            shutil.rmtree(folder)
            (folder / "optimizer.pt").stat()
        return whole(folder)

    monkeypatch.setattr(module, "_state_fault", gone)
    assert [checkpoint.update for checkpoint in checkpoints(tmp_path)] == [2]
