"""Which optimizers import and step on this machine: found by taking one step with each."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

import torch

from training_pro.errors import SettingsError

logger = logging.getLogger(__name__)

CANDIDATES = (
    "adamw_torch",
    "adamw_torch_fused",
    "adamw_8bit",
    "paged_adamw_32bit",
    "paged_adamw_8bit",
    "adafactor",
    "sgd",
    "adagrad",
    "rmsprop",
    "rmsprop_bnb_8bit",
    "lion_32bit",
    "lion_8bit",
    "paged_lion_32bit",
    "paged_lion_8bit",
    "ademamix",
    "ademamix_8bit",
    "paged_ademamix_32bit",
    "paged_ademamix_8bit",
    "stable_adamw",
    "schedule_free_adamw",
    "grokadamw",
)
_QUANTIZED_FROM = 4096  # bitsandbytes keeps smaller tensors in 32 bits


def _steps(name: str, device: str) -> bool:
    from transformers import Trainer, TrainingArguments

    args = TrainingArguments(output_dir="unused", optim=name, use_cpu=device == "cpu", report_to="none")
    kind, values = Trainer.get_optimizer_cls_and_kwargs(args)
    weight = torch.nn.Parameter(torch.ones(64, _QUANTIZED_FROM // 64 * 2, device=device))
    optimizer: Any = kind([weight], **values)
    if hasattr(optimizer, "train"):
        optimizer.train()
    for _ in range(2):
        weight.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return bool(torch.isfinite(weight).all()) and not bool((weight == 1).all())


@cache
def available_optimizers(device: str = "cpu") -> tuple[str, ...]:
    """Names that work on `device` ("cpu" or "cuda"), the standard one first. Costs about a second, once."""
    usable = []
    for name in CANDIDATES:
        try:
            works = _steps(name, device)
        except Exception:  # a foreign optimizer may fail in any way; it is then just not offered
            logger.debug("Optimizer %s is left out", name, exc_info=True)
            continue
        if works:
            usable.append(name)
    return tuple(usable)


def check_optimizer(name: str, device: str) -> None:
    """Raises:
    SettingsError: it does not work here; lists those that do.
    """
    if name not in available_optimizers(device):
        names = ", ".join(available_optimizers(device))
        raise SettingsError([f"Optimizer is {name!r}, which does not work here; there is: {names}."])
