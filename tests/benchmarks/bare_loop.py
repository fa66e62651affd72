"""A training loop of a few lines on batches from a file: PyTorch, transformers and PEFT, and nothing of this project.

`python bare_loop.py BATCHES MODEL DTYPE OUT RATE` is the reference of `bench_train_overhead`, in a process of its own.
Prints one JSON line: times since `STARTED` in the environment, milliseconds an update, growth over the loaded model.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def resident_mb(line: str = "VmRSS:") -> float:
    """This process's resident size now, or with "VmHWM:" its peak."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(text.split()[1]) / 1024 for text in status if text.startswith(line))


def main(batches: str, folder: str, dtype: str, out: str, rate: str) -> None:
    updates = torch.load(batches, weights_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    loaded_mb = resident_mb()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    config = LoraConfig(r=32, lora_alpha=64, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(model, config).train()
    model.config.use_cache = False
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=float(rate), weight_decay=0.0)
    ends, losses = [], []
    for count, pieces in updates:
        total = 0.0
        for piece in pieces:
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                loss = model(**piece, num_items_in_batch=torch.tensor(count)).loss
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ends.append((time.time(), time.process_time()))
        losses.append(total)
    model.save_pretrained(out)
    saved, began = time.time(), float(os.environ["STARTED"])
    per_ms = 1000 / (len(ends) - 1)
    values = {
        "wall_ms": per_ms * (ends[-1][0] - ends[0][0]),
        "cpu_ms": per_ms * (ends[-1][1] - ends[0][1]),
        "first_update_s": ends[0][0] - began,
        "first_update_cpu_s": ends[0][1],
        "saved_at": saved,
        "growth_mb": resident_mb("VmHWM:") - loaded_mb,
        "loss": losses[-1],
    }
    sys.stdout.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
