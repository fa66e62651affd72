from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from training_pro.record import process
from training_pro.record.process import lives, start_of, this_process


def test_this_process_lives_and_is_known_by_more_than_its_pid() -> None:
    mark = this_process()
    assert mark.pid == os.getpid()
    assert lives(mark)
    assert not lives(replace(mark, started="12345678"))
    assert len(mark.started) == 8 and int(mark.started, 16) >= 0


def test_a_killed_process_is_dead_even_before_its_parent_has_looked() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = start_of(child.pid)
    assert started is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is not reaped
    assert start_of(child.pid) is None
    child.wait()
    assert start_of(child.pid) is None


@pytest.mark.parametrize("linux", [True, False])
def test_no_such_process(linux: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not linux:
        monkeypatch.setattr(process, "_PROC", tmp_path)
    for pid in (0, -1, 2**22 + 1, 2**40, 10**30):
        assert start_of(pid) is None or pid == 0


def test_without_proc_psutil_answers_the_same_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "_PROC", tmp_path)
    assert start_of(os.getpid()) == start_of(os.getpid()) is not None
    assert lives(this_process())
