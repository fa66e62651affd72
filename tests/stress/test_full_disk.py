"""A run on a disk that is really too small, and one whose every write is refused once: then it goes on to the end."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.promises import Cases
from tests.stress.aftermath import Expected, check_left, digest, go_on
from tests.stress.test_writes import INTERVAL, as_a_process_that_has_died, small, train, user_data
from tests.stress.writes import Write, watched_writes
from tests.training.model.fingerprint import model_fingerprint
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.session import Session
from training_pro.training.status import Ending

SIZES_KB = tuple(range(16, 480, 16))
SHORT_OF = 24  # of so many writes, the ordinary tests refuse one


@contextmanager
def disk_of(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of its own at `folder`; what is given grows it. Skips where that is not allowed."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "training-pro-test", str(folder)]
    if not sys.platform.startswith("linux") or subprocess.run(mounting, capture_output=True, check=False).returncode:
        # Only root may mount; the refused writes, below, are tried without a disk of their own.
        pytest.skip("mounting a small disk needs Linux and root; run make stress as root")
    try:
        yield lambda more: _remount(folder, more)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _remount(folder: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")
        folders = user_data(tmp_path_factory.mktemp("undisturbed") / "u")
        return (train(folders, tiny_folder, small()) / "adapter_model.safetensors").read_bytes()


@pytest.fixture(autouse=True)
def _no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")
    as_a_process_that_has_died(monkeypatch)


def attempt(folders: Folders, model: Path) -> tuple[Ending, int]:
    """A run that may fail: how it ended, and after how many updates. The host's model is as before."""
    host = StandaloneHost(folders, model, load_in_4bit=False)
    before = model_fingerprint(host.trainable_model().model)
    session = Session(host)
    status = session.start(small()).wait(120)
    session.settle()
    assert status.ending is not None
    assert model_fingerprint(host.trainable_model().model) == before, "the host's model was changed"
    return status.ending, status.update


def check_told(ending: Ending, words: tuple[str, ...]) -> None:
    if ending.kind == "failed":
        assert "\n" not in ending.reason and any(word in ending.reason for word in words), ending.reason


@pytest.mark.stress
@pytest.mark.promise("full disk")
@pytest.mark.parametrize("kilobytes", SIZES_KB)
def test_on_a_disk_of_so_many_kilobytes(kilobytes: int, tmp_path: Path, tiny_folder: Path, undisturbed: bytes) -> None:
    """The system's own refusals, inside torch's and safetensors' writers too."""
    with disk_of(tmp_path / "disk", kilobytes) as grow:
        plain = user_data(tmp_path / "u")
        folders = Folders.under(plain.user_data, loras=tmp_path / "disk" / "loras")
        folders.make()
        ending, update = attempt(folders, tiny_folder)
        check_told(ending, ("free some space",))
        expected = Expected(
            small(), undisturbed, INTERVAL, {"training/presets/mine.json": digest(plain.presets / "mine.json")}
        )
        check_left(folders, expected, update if ending.kind == "failed" else 0)
        grow(64_000)
        go_on(folders, tiny_folder, expected)


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> list[Write]:
    """All writes of a run, in order."""
    found: list[Write] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")
        folders = user_data(tmp_path_factory.mktemp("counted") / "u")
        with watched_writes(folders.user_data, found.append):
            train(folders, tiny_folder, small())
    return found


def refuse_one(number: int, code: int, folder: Path, model: Path, undisturbed: bytes) -> None:
    """The write of this number fails once; the run ends or goes on, and afterwards it can be finished."""
    folders = user_data(folder / "u")
    older = {"training/presets/mine.json": digest(folders.presets / "mine.json")}
    count = 0

    def before(write: Write) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise OSError(code, os.strerror(code))

    with watched_writes(folders.user_data, before):
        ending, update = attempt(folders, model)
    check_told(ending, ("free some space", "there is no permission"))
    expected = Expected(small(), undisturbed, INTERVAL, older)
    check_left(folders, expected, update if ending.kind == "failed" else 0)
    go_on(folders, model, expected)
    shutil.rmtree(folder, ignore_errors=True)


def refuse(numbers: range, folder: Path, model: Path, undisturbed: bytes, cases: Cases) -> None:
    faults = []
    for number in numbers:
        code = (errno.ENOSPC, errno.EACCES)[number % 2]
        try:
            refuse_one(number, code, folder / str(number), model, undisturbed)
            cases.count(True)
        except Exception as error:  # noqa: BLE001 - all of them are wanted, not the first
            faults.append(f"write {number}, {os.strerror(code)}: {type(error).__name__}: {str(error)[:300]}")
            cases.count(False)
    assert not faults, "\n".join(faults)


@pytest.mark.stress
def test_some_writes_refused(
    writes: list[Write], tmp_path: Path, tiny_folder: Path, undisturbed: bytes, cases: Cases
) -> None:
    refuse(range(SHORT_OF // 2, len(writes) + 1, SHORT_OF), tmp_path, tiny_folder, undisturbed, cases)


@pytest.mark.stress
@pytest.mark.promise("full disk")
@pytest.mark.parametrize("part", range(10))
def test_every_write_refused(
    part: int, writes: list[Write], tmp_path: Path, tiny_folder: Path, undisturbed: bytes, cases: Cases
) -> None:
    refuse(range(part + 1, len(writes) + 1, 10), tmp_path, tiny_folder, undisturbed, cases)
