"""A run of ours by its command line. Its padded batches are left for the bare loop."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from evidence.rivals.entries.watch import Watch, read_task
from training_pro.cli.main import main as command_line
from training_pro.training.behaviours.meter import Meter
from training_pro.training.loop import update as updates
from training_pro.training.loop.batches import pad
from training_pro.training.loop.trainer import LoraTrainer

BATCHES = "batches.pt"


def main(task_file: str) -> None:
    task, watch = read_task(task_file), Watch()
    run, after, judge = updates.UpdateRunner.run, Meter.after_update, LoraTrainer.with_and_without
    starts: list[int] = []

    def begun(*given: Any) -> Any:
        watch.begin()
        starts.append(len(watch.batches))
        return run(*given)

    def padded(*given: Any, **named: Any) -> Any:
        made = pad(*given, **named)
        watch.batch(made.inputs())
        return made

    def ended(meter: Meter) -> None:
        after(meter)
        watch.update()

    def judged(trainer: LoraTrainer) -> Any:
        before = time.process_time()
        try:
            return judge(trainer)
        finally:
            watch.looks_cpu_s += time.process_time() - before if watch.updates < trainer.total_updates else 0.0

    with contextlib.ExitStack() as patches:
        patches.enter_context(patch.object(updates.UpdateRunner, "run", begun))
        patches.enter_context(patch.object(updates, "pad", padded))
        patches.enter_context(patch.object(Meter, "after_update", ended))
        patches.enter_context(patch.object(LoraTrainer, "with_and_without", judged))
        if command_line(_command(task)):
            raise SystemExit("the run failed")
    watch.write(task)
    made = [watch.batches[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
    torch.save(made, Path(task["folder"]) / BATCHES)


def _command(task: dict[str, Any]) -> list[str]:
    source = "text_file" if task["kind"] == "text" else "dataset"
    values = {
        "name": Path(task["out"]).name,
        source: task["data"],
        "max_tokens": task["context"],
        "batch_size": task["batch"],
        "rank": task["rank"],
        "learning_rate": task["rate"],
        "epochs": 1,
        "seed": task["seed"],
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "dropout": 0,
        "save_at_loss": 0,
        "sample_prompts": "",
        **task["options"],
    }
    where = ["--model", task["model"], "--no-4bit", "--dtype", task["dtype"], "--user-data", task["folder"]]
    return ["train", *where, *(f"--set={name}={value}" for name, value in values.items())]


if __name__ == "__main__":
    main(sys.argv[1])
