"""A loop of a few lines on the batches of ours: PyTorch, transformers and PEFT, and nothing else. The limit."""

from __future__ import annotations

import sys
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from evidence.rivals.entries.watch import IGNORED, Watch, read_task


def main(task_file: str) -> None:
    task, watch = read_task(task_file), Watch()
    updates: list[list[dict[str, torch.Tensor]]] = torch.load(task["data"], weights_only=True)
    torch.manual_seed(task["seed"])
    base = AutoModelForCausalLM.from_pretrained(task["model"], dtype=getattr(torch, task["dtype"]))
    lora = LoraConfig(
        r=task["rank"], lora_alpha=2 * task["rank"], target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, lora).train()
    model.config.use_cache = False
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=task["rate"], weight_decay=0.0)
    watch.begin()
    for batches in updates:
        count = sum(int((batch["labels"] != IGNORED).sum()) for batch in batches)
        for batch in batches:
            watch.batch(batch)
            _learn(model, batch, count, task["dtype"])
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        watch.update()
    model.save_pretrained(task["out"])
    watch.write(task)


def _learn(model: Any, batch: dict[str, torch.Tensor], count: int, dtype: str) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
        loss = model(**batch, num_items_in_batch=torch.tensor(count)).loss
    loss.backward()


if __name__ == "__main__":
    main(sys.argv[1])
