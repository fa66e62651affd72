"""Two processes against one on the real small model in 4-bit, 50 updates, by the real command; killed and resumed.

Takes some five minutes on two cores.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.training.tiny import weights
from training_pro.folders import Folders
from training_pro.record.history import HistoryData, read_history

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "training_pro" / "assets"
BLOCKS, WORDS, UPDATES = 100, 12, 50
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SETTINGS = {
    "dataset": "rows.jsonl",
    "max_tokens": 32,
    "batch_size": 1,  # each block is computed alone in all of them: padding rounds otherwise
    "group_by_length": False,
    "epochs": 1.0,
    "dropout": 0.0,
    "warmup_steps": 5,
    "save_steps": 10,
    "save_at_loss": 0.0,
}
SAME = 1e-4
LONG_S = 900
pytestmark = [pytest.mark.stress, pytest.mark.slow]


class Bench:
    """A user data folder, and the command over it."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self.folders = Folders.under(folder / "user_data")
        self.folders.make()
        words = (ASSETS / "sample.txt").read_text(encoding="utf-8").split()
        rows = [" ".join(words[start : start + WORDS]) for start in range(0, BLOCKS * WORDS, WORDS)]
        lines = "".join(json.dumps({"text": row}) + "\n" for row in rows)
        (self.folders.datasets / "rows.jsonl").write_text(lines, encoding="utf-8")

    def start(self, name: str, processes: int) -> subprocess.Popen[str]:
        settings = self.folder / f"{name}-{processes}.json"
        settings.write_text(
            json.dumps({**SETTINGS, "name": name, "gradient_accumulation_steps": 2 // processes}), encoding="utf-8"
        )
        return subprocess.Popen(
            [
                sys.executable,
                *(LAUNCHER if processes > 1 else []),
                "-m",
                "tests.stress.in_float32",
                "train",
                str(settings),
            ]
            + ["--model", str(self.model), "--user-data", str(self.folder / "user_data")],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def train(self, name: str, processes: int) -> str:
        """A whole run, or the rest of one; what it printed."""
        process = self.start(name, processes)
        output, _ = process.communicate(timeout=LONG_S)
        assert process.returncode == 0, output
        return output

    def history(self, name: str) -> HistoryData:
        return read_history(self.folders.loras / name / "training_history.jsonl")

    def kill_one(self, name: str, rank: int) -> str:
        """A run of two processes, one of which is killed after 24 updates; what the launcher printed to its end."""
        process = self.start(name, 2)
        wait_for(lambda: len(self.history(name).points) >= 24 or process.poll() is not None)
        ranks = sorted(
            (int(child.environ()["RANK"]), child)
            for child in psutil.Process(process.pid).children(recursive=True)
            if "RANK" in child.environ()
        )
        ranks[rank][1].send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=LONG_S)
        assert process.returncode != 0
        assert len(self.history(name).points) < UPDATES
        return output

    def end_politely(self, name: str) -> str:
        """A run of two processes whose launcher gets SIGTERM after 24 updates."""
        process = self.start(name, 2)
        wait_for(lambda: len(self.history(name).points) >= 24 or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=LONG_S)
        return output

    def differences(self, one: str, other: str) -> tuple[float, float]:
        """The largest difference in loss and in any weight."""
        a, b = (self.history(name).points for name in (one, other))
        assert [p.update for p in a] == [p.update for p in b] == list(range(1, UPDATES + 1))
        losses = max(abs(p.loss - q.loss) for p, q in zip(a, b, strict=True))
        mine, yours = (weights(self.folders.loras / name) for name in (one, other))
        return losses, max(float((mine[name] - yours[name]).abs().max()) for name in mine)


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_two_processes_are_one_however_they_are_killed(
    tmp_path: Path, smol_folder: Path, record_property: Callable[[str, Any], None]
) -> None:
    bench = Bench(tmp_path, smol_folder)
    bench.train("one", 1)
    assert "True Batch Size 1 is per device" in bench.train("two", 2)
    assert "is gone or does not answer" in bench.kill_one("killed", rank=1)
    bench.train("killed", 2)
    bench.kill_one("killed main", rank=0)
    assert "1 process instead of 2" in bench.train("killed main", 1)
    assert "Interrupted: ended by SIGTERM" in bench.end_politely("ended")
    bench.train("ended", 2)
    for name in ("two", "killed", "killed main", "ended"):
        losses, most = bench.differences("one", name)
        record_property(name, (losses, most))
        sys.stdout.write(f"{name} against one process: losses {losses:.2e}, weights {most:.2e}\n")
        assert losses <= SAME
        assert most <= SAME
