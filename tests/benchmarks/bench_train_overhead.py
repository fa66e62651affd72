"""What a whole run costs over a bare PyTorch loop on the same batches: the real SmolLM2, text and rows, two dtypes.

Each side is a process of its own, in turns; the bare one (`bare_loop.py`) never imports this project and takes the
run's padded batches from a file. Ours is the `train` command with all its behaviours, history and status. `ratio` is
that of the times between the end of the first update and the end of the last, the median of `RUNS`; `cpu_ratio` the
same in the process's own time, which other work on the machine hardly disturbs. Beside it: memory growth over the
loaded model, seconds from the process's start to the end of the first update, seconds from the saved LoRA to the
process's end. TRAINING_PRO_BENCH_RUNS changes the number of runs. Takes some 20 minutes on two quiet cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from training_pro.hosts.embedded import embedded_model

RUNS = 5
TEXT_BYTES = 12_000
ROWS = 20
RATE = "3e-4"
_BARE = Path(__file__).with_name("bare_loop.py")
_DTYPES = ("float32", "bfloat16")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
_SETTINGS = {
    "batch_size": "4",
    "epochs": "1",
    "dropout": "0",
    "learning_rate": RATE,
    "lr_scheduler_type": "constant",
    "warmup_steps": "0",
    "save_at_loss": "0",
    "sample_prompts": "",
}
_KINDS = {
    "text": {"text_file": "part.txt", "max_tokens": "256"},
    "rows": {"dataset": "part.jsonl", "format": "alpaca-format", "max_tokens": "512"},
}


@dataclass(frozen=True)
class _Case:
    """One kind of data in one dtype, in a folder of its own."""

    kind: str
    dtype: str
    folder: Path
    model: Path

    def ours(self, *more: str) -> list[str]:
        changes = [f"--set={name}={value}" for name, value in {**_SETTINGS, **_KINDS[self.kind]}.items()]
        command = [sys.executable, "-m", "tests.benchmarks.whole_run", *more, "train", "--existing=replace"]
        where = ["--model", str(self.model), "--no-4bit", "--dtype", self.dtype, "--user-data", str(self.folder)]
        return [*command, *where, "--set=name=bench", *changes]

    def bare(self) -> list[str]:
        out = str(self.folder / "bare")
        return [sys.executable, str(_BARE), str(self.batches), str(self.model), self.dtype, out, RATE]

    @property
    def batches(self) -> Path:
        return self.folder / "batches.pt"


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """One line for each kind of data and dtype."""
    model, runs = embedded_model(), int(os.environ.get("TRAINING_PRO_BENCH_RUNS", RUNS))
    for kind in _KINDS:
        for dtype in _DTYPES:
            with tempfile.TemporaryDirectory() as folder:
                case = _Case(kind, dtype, Path(folder), model)
                _put_data(data, case.folder / "training" / "datasets")
                _measured(case.ours("--dump", str(case.batches)))
                sides = [(_measured(case.bare()), _measured(case.ours())) for _ in range(runs)]
                yield _figure(case, [bare for bare, _ in sides], [ours for _, ours in sides])


def _figure(case: _Case, bare: list[dict[str, float]], ours: list[dict[str, float]]) -> dict[str, Any]:
    def both(name: str, digits: int = 2) -> list[float]:
        return [round(median(side[name] for side in sides), digits) for sides in (ours, bare)]

    (wall, bare_wall), (cpu, bare_cpu) = both("wall_ms"), both("cpu_ms")
    return {
        "name": f"train_overhead_{case.kind}_{case.dtype}",
        "ratio": round(wall / bare_wall, 4),
        "ours": wall,
        "reference": bare_wall,
        "unit": "ms/update",
        "median_of": len(ours),
        "cpu_ratio": round(cpu / bare_cpu, 4),
        "growth_mb": both("growth_mb", 0),
        "first_update_s": both("first_update_s"),
        "first_update_cpu_s": both("first_update_cpu_s"),
        "after_saving_s": both("after_saving_s"),
        "last_loss": both("loss", 4),
    }


def _measured(command: list[str]) -> dict[str, float]:
    environ = {**os.environ, **_ONE_THREAD, "STARTED": str(time.time())}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    ended = time.time()
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**values, "after_saving_s": ended - values["saved_at"]}


def _put_data(data: Path, datasets: Path) -> None:
    """A part of the largest text and of the largest row file."""
    datasets.mkdir(parents=True)
    text = max(data.glob("*.txt"), key=lambda path: path.stat().st_size)
    part = text.read_bytes()[:TEXT_BYTES].decode("utf-8", "ignore")
    (datasets / "part.txt").write_text(part, encoding="utf-8")
    found = [path for ending in ("json", "jsonl") for path in data.glob(f"*.{ending}") if _has_rows(path)]
    rows = max(found, key=lambda path: path.stat().st_size)
    content = rows.read_text(encoding="utf-8")
    lines = [json.dumps(row) for row in json.loads(content)] if rows.suffix == ".json" else content.splitlines()
    (datasets / "part.jsonl").write_text("\n".join(lines[:ROWS]) + "\n", encoding="utf-8")


def _has_rows(path: Path) -> bool:
    """Whether its first row is an instruction or a chat."""
    with path.open(encoding="utf-8") as file:
        head = file.read(2000)
    return any(f'"{field}"' in head for field in ("instruction", "messages", "conversations"))
