"""The WebUI's own trainer, out of its checkout (the folder in which this runs) and as its Training tab calls it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evidence.rivals.entries.watch import Watch, read_task

NONE = "None"


def main(task_file: str) -> None:
    task, watch = read_task(task_file), Watch()
    watch.patch_trainer()
    out, source = Path(task["out"]), Path(task["data"])
    datasets = Path(task["folder"]) / "training" / "datasets"
    datasets.mkdir(parents=True)
    (datasets / "race.json").write_bytes(source.read_bytes())
    sys.argv = ["server.py", "--cpu", "--user-data-dir", task["folder"], "--lora-dir", str(out.parent)]
    sys.argv += ["--bf16"] if task["dtype"] == "bfloat16" else []
    sys.path.insert(0, str(Path.cwd()))
    if not hasattr(huggingface_hub, "HfFolder"):  # the registry's gradio 4 imports it; the WebUI's own build doesn't
        huggingface_hub.HfFolder = None
    shared: Any = importlib.import_module("modules.shared")
    training: Any = importlib.import_module("modules.training")
    shared.model_name = "race"
    shared.model = AutoModelForCausalLM.from_pretrained(task["model"], dtype=getattr(torch, task["dtype"]))
    shared.tokenizer = AutoTokenizer.from_pretrained(task["model"])
    rows = task["kind"] == "rows"
    choices = {f"{name}_proj_en": name in "qv" for name in ("q", "v", "k", "o", "gate", "down", "up")}
    said = list(
        training.do_train(
            lora_name=out.name,
            always_override=True,
            all_linear=False,
            save_steps=0,
            micro_batch_size=task["batch"],
            batch_size=task["batch"],
            epochs=1,
            learning_rate=str(task["rate"]),
            lr_scheduler_type="constant",
            lora_rank=task["rank"],
            lora_alpha=2 * task["rank"],
            lora_dropout=0.0,
            cutoff_len=task["context"],
            dataset="race" if rows else NONE,
            text_dataset=NONE if rows else "race",
            eval_dataset=NONE,
            format="Chat Template",
            eval_steps=0,
            warmup_steps=0,
            optimizer="adamw_torch",
            stride_length=0,
            stop_at_loss=0,
            add_eos_token=False,
            excess_length="truncate",
            report_to=NONE,
            gradient_checkpointing=False,
            **choices,
        )
    )
    if not watch.updates:
        raise SystemExit(f"the WebUI's trainer did not train: {said[-1] if said else 'it said nothing'}")
    watch.write(task)


if __name__ == "__main__":
    main(sys.argv[1])
