from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from training_pro.errors import RunError
from training_pro.record.lock import lock_folder

HOLD = (
    "import sys; from pathlib import Path; from training_pro.record.lock import lock_folder\n"
    "lock = lock_folder(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()\n"
)


def holder(run: Path) -> subprocess.Popen[str]:
    """A process that holds the lock on `run` until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_another_process_is_kept_out_until_the_holder_is_killed(tmp_path: Path) -> None:
    run = tmp_path / "loras" / "tales"
    process = holder(run)
    try:
        with pytest.raises(RunError, match='"tales" .* another process'):
            lock_folder(run)
        lock_folder(run.with_name("other")).release()
    finally:
        process.kill()
        process.communicate()
    lock_folder(run).release()  # the killed process's file is still there and blocks nobody


def test_one_process_can_not_hold_it_twice(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path / "tales")
    with pytest.raises(RunError, match="another process"):
        lock_folder(tmp_path / "tales")
    lock.release()
    lock.release()
    lock_folder(tmp_path / "tales").release()


def test_it_stays_held_while_the_folder_is_moved_aside_and_made_anew(tmp_path: Path) -> None:
    run = tmp_path / "tales"
    run.mkdir()
    lock = lock_folder(run)
    run.rename(tmp_path / "aside")
    run.mkdir()
    with pytest.raises(RunError):
        lock_folder(run)
    lock.release()


def test_a_place_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / ".training_pro-np").write_text("a file where the folder should be")
    with pytest.raises(RunError, match="couldn't be written"):
        lock_folder(tmp_path / "tales")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    loras = tmp_path / "loras"
    loras.mkdir()
    (loras / ".training_pro-np").symlink_to(outside)
    with pytest.raises(RunError, match="is a link"):
        lock_folder(loras / "tales")
    assert list(outside.iterdir()) == []
