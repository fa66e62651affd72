from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.errors import RunError
from training_pro.record.state import (
    STATE_FILE,
    RunState,
    read_state,
    standing,
    starting_state,
    values_digest,
    write_state,
)


def test_a_state_comes_back_as_written(tmp_path: Path) -> None:
    state = starting_state(100, "Smol", "aa", "bb").changed(update=40, last_loss=1.5, best_eval_loss=1.75)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    ended = state.ended("stopped", "Stop at loss 1.5 reached.")
    write_state(tmp_path, ended)
    found = read_state(tmp_path)
    assert found == ended and ended.finished.endswith("+00:00") and ended.update == 40


def test_no_state_is_none_and_a_seen_one_is_never_written(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    with pytest.raises(ValueError, match="never written"):
        write_state(tmp_path, RunState("unfinished"))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"{}", b'{"state": "gone"}', b"\xff", b"[" * 99999, b'{"state": []}']
)
def test_a_broken_state_is_one_sentence(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / STATE_FILE).write_bytes(raw)
    with pytest.raises(RunError, match="training_state.json"):
        read_state(tmp_path)


def test_wrong_values_in_it_become_the_defaults(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_text(
        json.dumps({"state": "failed", "update": "x", "pid": True, "reason": 5, "last_loss": "1", "more": 1})
    )
    assert read_state(tmp_path) == RunState("failed")


def test_a_running_run_runs_while_its_process_lives(tmp_path: Path) -> None:
    state = starting_state(10, "", "", "")
    assert standing(tmp_path, state) == "running"
    assert standing(tmp_path, state.changed(process_started="00000000")) == "unfinished"
    for written in ("finished", "stopped", "interrupted", "failed"):
        assert standing(tmp_path, state.ended(written, "")) == written


def test_a_run_killed_with_its_process_is_unfinished(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from training_pro.record.state import starting_state, write_state\n"
        "write_state(Path(sys.argv[1]), starting_state(10, 'm', 's', 'd')); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    state = read_state(tmp_path)
    assert state is not None and state.state == "running" and state.total_updates == 10
    assert standing(tmp_path, state) == "unfinished"


def test_a_run_of_another_machine_is_judged_by_its_files(tmp_path: Path) -> None:
    state = starting_state(10, "", "", "").changed(machine="another", process_started="00000000")
    (tmp_path / "history").write_text("x")
    assert standing(tmp_path, state) == "running elsewhere"
    os.utime(tmp_path / "history", (0, 0))
    assert standing(tmp_path, state) == "unfinished"


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.floats() | st.text(max_size=5) | st.booleans(), max_size=5)
)
def test_a_fingerprint_does_not_depend_on_order(values: dict[str, object]) -> None:
    assert values_digest(values) == values_digest(dict(reversed(values.items())))
    assert len(values_digest(values)) == 16


def test_a_fingerprint_tells_values_apart() -> None:
    assert len({values_digest({"a": value}) for value in (1, 2, "1", True, None, 1.5)}) == 6
