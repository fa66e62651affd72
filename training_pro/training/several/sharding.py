"""How the launcher wants the model spread over devices, and what of that can't be done: said before anything is loaded.

accelerate launch puts its configuration file into the environment; accelerate and the Trainer read it there
themselves. Here it is only checked, and what the loader must know is read. Costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from training_pro.errors import RunError
from training_pro.packages import installed

if TYPE_CHECKING:
    import torch

Spread = Literal["copies", "fsdp2", "deepspeed"]


def spread(environ: Mapping[str, str] = os.environ) -> Spread:
    """A whole copy of the model on each device (DDP), or pieces of it by FSDP2 or DeepSpeed."""
    if int(environ.get("WORLD_SIZE") or 1) < 2:
        return "copies"
    if _on(environ, "ACCELERATE_USE_DEEPSPEED"):
        return "deepspeed"
    return "fsdp2" if _on(environ, "ACCELERATE_USE_FSDP") else "copies"


def check_spread(has_gpu: bool, environ: Mapping[str, str] = os.environ) -> None:
    """Raises:
    RunError: the launcher's configuration asks for what is not installed or can't be done here.
    """
    wanted = spread(environ)
    if wanted == "deepspeed" and not installed("deepspeed"):
        raise RunError(
            "The launcher's configuration asks for DeepSpeed, which is not installed; run: pip install deepspeed, or "
            "choose DDP in accelerate's configuration (accelerate config)."
        )
    if wanted == "fsdp2":
        _check_fsdp(has_gpu, environ)


def _check_fsdp(has_gpu: bool, environ: Mapping[str, str]) -> None:
    version = environ.get("FSDP_VERSION", "1")
    if version != "2":
        raise RunError(
            f"The launcher's configuration asks for FSDP {version}; set fsdp_version: 2 in it: only that keeps a LoRA "
            "in float32 over a base in 4-bit."
        )
    if _on(environ, "FSDP_CPU_RAM_EFFICIENT_LOADING"):
        raise RunError(
            "The launcher's configuration has fsdp_cpu_ram_efficient_loading on; set it to false: a base in 4-bit is "
            "loaded whole by each process before it is sharded."
        )
    if not has_gpu:
        raise RunError("FSDP needs GPUs: accelerate shards nothing on processors; leave it out of the configuration.")


def quant_storage(compute: torch.dtype, environ: Mapping[str, str] = os.environ) -> torch.dtype | None:
    """In which dtype 4-bit weights must be stored to be sharded: that of the computing; None: it does not matter."""
    return compute if spread(environ) == "fsdp2" else None


def sharding_note(model: torch.nn.Module, environ: Mapping[str, str] = os.environ) -> str:
    """What a person should know of a 4-bit base that FSDP2 can't shard as it was saved; "" for nothing."""
    if spread(environ) != "fsdp2":
        return ""
    stored = {str(p.dtype) for p in model.parameters() if type(p).__name__ == "Params4bit"}
    wrong = sorted(name for name in stored if "float" not in name)
    if not wrong:
        return ""
    return (
        f"The base was saved in 4-bit stored as {wrong[0].removeprefix('torch.')}, which FSDP can't shard: each GPU "
        "holds all of it. Give the original model's folder: it is quantized while it loads, and stored as it must be."
    )


def _on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "false").lower() in ("true", "1", "yes")
