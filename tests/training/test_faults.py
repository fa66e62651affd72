"""Each fault of the table in a run of its own: how it ends, what is said, what is left, and the host as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training.fault_table import DISK, MEMORY, PARTS, Fault
from tests.training.model.fingerprint import model_fingerprint
from tests.training.test_run import FULL, full_data
from tests.training.tiny import TinyOwner, adapter_bytes, finish, make_run, small_settings, train, weights
from training_pro.record.checkpoints import checkpoints
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.record.state import read_state
from training_pro.record.whole_files import is_temporary
from training_pro.settings import Settings
from training_pro.training.run import Begin
from training_pro.training.status import RunStatus

UNDISTURBED: dict[str, Any] = {}


def undisturbed(owner: TinyOwner, settings: Settings) -> Any:
    """The adapter of the run without any fault, its bytes and its tensors; made once for the same settings."""
    key = repr(settings)
    if key not in UNDISTURBED:
        folder = train(owner, settings.changed(name=f"undisturbed{len(UNDISTURBED)}"), full_data()).folder
        UNDISTURBED[key] = adapter_bytes(folder), weights(folder)
    return UNDISTURBED[key]


def settings_of(fault: Fault) -> Settings:
    return small_settings(**{**FULL, **fault.changes})


@pytest.mark.promise("memory")
@pytest.mark.parametrize("fault", MEMORY, ids=lambda fault: fault.name)
def test_out_of_memory_at(fault: Fault, owner: TinyOwner) -> None:
    check(fault, owner)


@pytest.mark.promise("disk")
@pytest.mark.parametrize("fault", DISK, ids=lambda fault: fault.name)
def test_a_disk_that_refuses(fault: Fault, owner: TinyOwner) -> None:
    check(fault, owner)


@pytest.mark.promise("parts")
@pytest.mark.parametrize("fault", PARTS, ids=lambda fault: fault.name)
def test_a_part_that_fails(fault: Fault, owner: TinyOwner) -> None:
    check(fault, owner)


def check(fault: Fault, owner: TinyOwner) -> None:
    settings = settings_of(fault)
    host, random_state = model_fingerprint(owner.loaded.model), torch.get_rng_state()
    run = make_run(owner, settings, full_data())
    with fault.inject(owner, run):
        status = finish(run)
    assert model_fingerprint(owner.loaded.model) == host, "the host's model was changed"
    assert torch.equal(torch.get_rng_state(), random_state)
    assert owner.held == ["in", "out"]
    check_ending(fault, status)
    check_folder(status)
    if fault.ending == "finished":
        check_result(fault, owner, settings, status)
    else:
        go_on(owner, settings)


def check_ending(fault: Fault, status: RunStatus) -> None:
    """One clear sentence, and the right ending."""
    assert status.ending is not None
    assert status.ending.kind == fault.ending, status.ending.reason
    told = [status.ending.reason] if fault.ending in ("failed", "wrong") else list(status.notes)
    assert any(fault.words in sentence for sentence in told) or not fault.words, told
    assert all("\n" not in sentence and "Traceback" not in sentence for sentence in told)


def check_folder(status: RunStatus) -> None:
    """What is listed is whole, and nothing half is left."""
    if not status.folder.exists():
        return
    assert [found.fault for found in checkpoints(status.folder) if not found.complete] == []
    assert [path for path in status.folder.rglob("*") if is_temporary(path.name)] == []
    assert read_history(status.folder / HISTORY_FILE).torn_lines == 0


def check_result(fault: Fault, owner: TinyOwner, settings: Settings, status: RunStatus) -> None:
    wanted_bytes, wanted = undisturbed(owner, settings)
    found = weights(status.folder)
    assert all(torch.allclose(tensor, wanted[name], atol=1e-4) for name, tensor in found.items())
    if fault.same:
        assert adapter_bytes(status.folder) == wanted_bytes
    state = read_state(status.folder)
    assert state is not None and (state.state, state.update) == ("finished", status.total_updates)


def go_on(owner: TinyOwner, settings: Settings) -> None:
    """With the fault mended, the same command ends as if there had been none."""
    owner.held.clear()
    begun = (owner.folders.loras / settings.name).exists()
    status = train(owner, settings, full_data(), Begin(continue_exactly=begun))
    assert status.ending is not None and status.ending.kind == "finished"
    assert adapter_bytes(status.folder) == undisturbed(owner, settings)[0]
    check_folder(status)


def test_the_good_checkpoint_is_kept_when_training_goes_wrong(owner: TinyOwner) -> None:
    """Of a loss that is no number, and of one that explodes, the LoRA is that of a checkpoint before it."""
    for name in ("a loss that is no number", "a loss that explodes"):
        fault = next(fault for fault in PARTS if fault.name == name)
        run = make_run(owner, settings_of(fault).changed(name=name), full_data())
        with fault.inject(owner, run):
            status = finish(run)
        assert status.ending is not None
        good = status.ending.reason.partition("The LoRA is that of ")[2].partition(".")[0]
        assert adapter_bytes(status.folder) == adapter_bytes(status.folder / good)
        assert 0 < int(good.removeprefix("checkpoint-")) <= status.update
        assert "Lower the learning rate" in status.ending.reason


def test_there_are_enough_places_to_run_out_of_memory_at() -> None:
    assert len(MEMORY) >= 12
    names = [fault.name for fault in (*MEMORY, *DISK, *PARTS)]
    assert len(set(names)) == len(names)
