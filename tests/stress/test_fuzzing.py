"""Atheris on every reader of what comes from outside, a minute each, in a process of its own: half an hour in all.

``make stress PYTEST="-k fuzzing"`` for this alone. The inputs that brought a reader down are in the failure.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.all_targets import TARGETS
from tests.promises import Cases

ROOT = Path(__file__).parents[2]
SECONDS = 60
MOST_S = SECONDS + 120  # with the imports, and one last input that hangs
EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
pytestmark = [pytest.mark.stress, pytest.mark.slow, pytest.mark.promise("fuzzing")]


@pytest.fixture
def room() -> Iterator[str]:
    """Where the inputs are written: in memory where there is such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory if memory.is_dir() else None) as made:
        yield made


@pytest.mark.parametrize("name", TARGETS)
def test_atheris_brings_no_reader_down(name: str, tmp_path: Path, room: str, cases: Cases) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.fail(
            "atheris is missing; its wheels are for Linux on x86-64 with Python 3.11 to 3.14: pip install atheris"
        )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "FUZZ_ROOM": room}
    command = [sys.executable, "-m", "tests.fuzz", name, str(SECONDS)]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, errors="replace", timeout=MOST_S
    )
    said = ended.stdout + ended.stderr
    executed = EXECUTED.search(said)
    bad = [path for path in tmp_path.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-", "leak-"))]
    cases.tried = int(executed[1]) if executed else 1
    cases.survived = cases.tried - max(len(bad), ended.returncode != 0)
    shown = "\n".join(f"{path.name}: {path.read_bytes()!r}" for path in bad)
    assert not bad and not ended.returncode, f"{shown}\n{said[-6000:]}"
    assert executed and cases.tried > len(TARGETS[name].seeds), said[-6000:]
