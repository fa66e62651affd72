"""What one update takes in memory, ours over transformers' own loss: SmolLM2 in 4-bit, 8 x 512 tokens.

Each side is a process of its own with the run's allocator setting; the figure is its peak over the update less what
was resident before it. The loss of both must agree to 1e-4. Measured with gradient checkpointing, the same with
torch's own fused loss hidden (older versions of torch lack it), and without checkpointing. Linux only. Takes some 5
minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

BATCH, TOKENS = 8, 512
SAME_LOSS = 1e-4
_MB = 1024 * 1024


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """The ratio of the peaks, and both losses."""
    ways = (("loss_memory", ["--checkpointing"]), ("loss_memory_no_checkpointing", []))
    for name, options in (*ways, ("loss_memory_no_fused", ["--checkpointing", "--hide-fused"])):
        ours, reference = _measured("ours", options), _measured("reference", options)
        yield {
            "name": name,
            "ratio": round(ours["peak_mb"] / reference["peak_mb"], 3),
            "ours": round(ours["peak_mb"]),
            "reference": round(reference["peak_mb"]),
            "unit": "MB",
            "median_of": 1,
            "loss_difference": abs(ours["loss"] - reference["loss"]),
            "same_loss": abs(ours["loss"] - reference["loss"]) <= SAME_LOSS,
            "seconds": [round(ours["seconds"], 1), round(reference["seconds"], 1)],
        }


def _measured(side: str, options: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_loss_memory", side, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def _one_update(side: str, checkpointing: bool) -> dict[str, float]:
    """In the child: model, adapter and optimizer as a run makes them; then one update."""
    import time

    import numpy as np
    import torch

    from training_pro.folders import Folders
    from training_pro.hosts.standalone import StandaloneHost
    from training_pro.settings import Settings
    from training_pro.training.loop.batches import pad
    from training_pro.training.memory.in_use import PeakMemory, give_freed_memory_back
    from training_pro.training.model import prepare
    from training_pro.training.model.chunked_loss import OWN_LOSS_NOTE, LossForward

    with tempfile.TemporaryDirectory() as folder:
        loaded = StandaloneHost(Folders.under(Path(folder)), None).trainable_model()
    notes: list[str] = []
    own_loss = patch.object(prepare, "make_lean", lambda model, **_: LossForward(False))
    with own_loss if side == "reference" else nullcontext():
        settings = Settings(gradient_checkpointing="on" if checkpointing else "off")
        model = prepare.ready(loaded.model, settings, notes.append).model
    if OWN_LOSS_NOTE in notes:
        raise RuntimeError("the model keeps its own loss: nothing to compare")
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-4)
    rows = np.random.default_rng(0).integers(100, 40_000, (BATCH, TOKENS))
    samples = [{"input_ids": row, "labels": row.copy()} for row in rows]
    give_freed_memory_back()
    started = time.perf_counter()
    with PeakMemory(torch.device("cpu")) as peak:
        batch = pad(samples, 0, torch.device("cpu"))
        loss = model(**batch.inputs(), use_cache=False, num_items_in_batch=BATCH * (TOKENS - 1)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return {"peak_mb": peak.bytes / _MB, "loss": loss.item(), "seconds": time.perf_counter() - started}


def _hide_fused_loss() -> None:
    import torch

    for place in (torch.nn.functional, torch.nn):
        for name in [name for name in vars(place) if "linear_cross_entropy" in name.lower()]:
            delattr(place, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("ours", "reference"))
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--hide-fused", action="store_true", help="take torch's own fused loss away first")
    chosen = parser.parse_args()
    if chosen.hide_fused:
        _hide_fused_loss()
    sys.stdout.write(json.dumps(_one_update(chosen.side, chosen.checkpointing)) + "\n")


if __name__ == "__main__":
    main()
