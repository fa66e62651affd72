"""What torch's and safetensors' writers say is turned into one sentence; memory that runs out gets a second try."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from training_pro.errors import RunError
from training_pro.training.loop.checkpoint_files import said_plainly, twice_if_short_of_memory

FULL_DISK = Path("/dev/full")
needs_full_disk = pytest.mark.skipif(not FULL_DISK.exists(), reason="only Linux has a device that is always full")


@needs_full_disk
def test_torchs_own_writer_on_a_full_disk() -> None:
    words = r"optimizer.pt .* \(.+\)\. Free some space on the disk"
    with pytest.raises(RunError, match=words), said_plainly(Path("run/optimizer.pt")):
        torch.save({"state": torch.zeros(100_000)}, FULL_DISK)


@pytest.mark.parametrize("save", [torch.save, lambda what, path: save_file(what, path)], ids=["torch", "safetensors"])
def test_their_own_writers_where_the_folder_is_gone(save: Any, tmp_path: Path) -> None:
    path = tmp_path / "gone" / "weights"
    with pytest.raises(RunError, match="couldn't be written"), said_plainly(path):
        save({"a": torch.zeros(2)}, path)


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
        RuntimeError("basic_ios::clear: iostream error\nwith a trace of many lines"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_of_writing_is_one_sentence(error: Exception) -> None:
    with pytest.raises(RunError) as caught, said_plainly(Path("run") / "x.pt"):
        raise error
    assert str(caught.value).startswith(f"{Path('run') / 'x.pt'} couldn't be written (")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), torch.OutOfMemoryError("CUDA out of memory"), OSError(5, os.strerror(5))]
)
def test_everything_else_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, said_plainly(Path("x.pt")):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(("failures", "written"), [(0, True), (1, True), (2, False)])
def test_out_of_memory_gets_a_second_try(failures: int, written: bool) -> None:
    tries: list[int] = []

    def write() -> None:
        tries.append(len(tries))
        if len(tries) <= failures:
            raise MemoryError("out of memory")

    assert twice_if_short_of_memory(write) is written
    assert len(tries) == min(failures + 1, 2)


def test_another_fault_gets_none() -> None:
    tries: list[int] = []

    def write() -> None:
        tries.append(1)
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        twice_if_short_of_memory(write)
    assert len(tries) == 1
