"""Small adapters on disk, made as PEFT writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from training_pro.record.checkpoints import CheckpointInfo, newest_first

NAME = "base_model.model.model.layers.0.self_attn.q_proj"


def tensors(rank: int = 4, inputs: int = 8, outputs: int = 6) -> dict[str, Any]:
    return {
        f"{NAME}.lora_A.weight": torch.arange(rank * inputs, dtype=torch.float32).reshape(rank, inputs),
        f"{NAME}.lora_B.weight": torch.ones(outputs, rank),
    }


def make_adapter(folder: Path, rank: int = 4, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "peft_type": "LORA",
        "base_model_name_or_path": "models/Smol",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj"],
        **config,
    }
    (folder / "adapter_config.json").write_text(json.dumps(values))
    save_file(tensors(rank), folder / "adapter_model.safetensors")
    return folder


def make_checkpoint(run: Path, name: str) -> Path:
    folder = make_adapter(run / name)
    for part in ("trainer_state.json", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (folder / part).write_text("{}")
    return folder


def newest_complete(run: Path) -> CheckpointInfo | None:
    """The checkpoint that a run in this folder resumes from."""
    return next((checkpoint for checkpoint in newest_first(run) if checkpoint.complete), None)
