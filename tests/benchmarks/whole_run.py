"""A whole run by the command line, timed from outside: our side of `bench_train_overhead`, in a process of its own.

`python -m tests.benchmarks.whole_run [--dump FILE] train ...`: with --dump the run's batches, padded, go to a file.
Prints one JSON line as `bare_loop` does.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from tests.benchmarks.bare_loop import resident_mb
from training_pro.cli.main import main as command_line
from training_pro.training import job
from training_pro.training.behaviours.meter import Meter
from training_pro.training.loop import update as updates
from training_pro.training.loop.batches import trained_tokens


class Watch:
    """What is noted along the way."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []
        self.loss = self.loaded_mb = self.saved_at = 0.0
        self.batches: list[tuple[int, list[dict[str, torch.Tensor]]]] = []


def main(arguments: list[str]) -> None:
    dump = arguments.pop(arguments.index("--dump") + 1) if "--dump" in arguments else None
    arguments = [argument for argument in arguments if argument != "--dump"]
    watch = Watch()
    ready, after, save, pad = job.ready, Meter.after_update, job.Job._save_adapter, updates.pad

    def loaded(*args: Any) -> Any:
        watch.loaded_mb = resident_mb()
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        return ready(*args)

    def measured(meter: Meter) -> None:
        after(meter)
        watch.loss = meter.trainer.last_loss
        watch.ends.append((time.time(), time.process_time()))

    def saved(*args: Any) -> None:
        save(*args)
        watch.saved_at = time.time()

    def padded(*args: Any, **kwargs: Any) -> Any:
        made = pad(*args, **kwargs)
        watch.batches[-1][1].append(made.inputs())
        return made

    with contextlib.ExitStack() as patches, contextlib.redirect_stdout(io.StringIO()) as said:
        patches.enter_context(patch.object(job, "ready", loaded))
        patches.enter_context(patch.object(Meter, "after_update", measured))
        patches.enter_context(patch.object(job.Job, "_save_adapter", saved))
        if dump:
            patches.enter_context(patch.object(updates, "pad", padded))
            patches.enter_context(patch.object(updates.UpdateRunner, "run", _counting(watch, updates.UpdateRunner.run)))
        code = command_line(arguments)
    if code:
        raise RuntimeError(f"the run failed: {said.getvalue()}")
    if dump:
        torch.save(watch.batches, dump)
    per_ms = 1000 / max(len(watch.ends) - 1, 1)
    values = {
        "wall_ms": per_ms * (watch.ends[-1][0] - watch.ends[0][0]),
        "cpu_ms": per_ms * (watch.ends[-1][1] - watch.ends[0][1]),
        "first_update_s": watch.ends[0][0] - float(os.environ["STARTED"]),
        "first_update_cpu_s": watch.ends[0][1],
        "saved_at": watch.saved_at,
        "growth_mb": resident_mb("VmHWM:") - watch.loaded_mb,
        "loss": watch.loss,
    }
    sys.stdout.write(json.dumps(values) + "\n")


def _counting(watch: Watch, run: Any) -> Any:
    def counted(self: Any, model: Any, samples: list[Any]) -> Any:
        watch.batches.append((trained_tokens(samples), []))
        return run(self, model, samples)

    return counted


if __name__ == "__main__":
    main(sys.argv[1:])
