"""The Trainer's own arguments for a run. The Trainer's accumulation, logging and saving by step are off: an update
is one of its steps, and what is written when is decided by the behaviours in ``callbacks``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from training_pro.plan import Plan
from training_pro.settings import Settings
from training_pro.training.model.precision import DeviceFacts, mixed_precision
from training_pro.training.several.team import PATIENCE_S

if TYPE_CHECKING:
    from transformers import TrainingArguments


def training_arguments(
    settings: Settings, plan: Plan, folder: Path, device: torch.device, model_dtype: torch.dtype
) -> TrainingArguments:
    """Arguments for transformers' Trainer; every step is an update over batch x accumulation blocks."""
    precision = mixed_precision(DeviceFacts.of(device), model_dtype)
    arguments = _arguments_class()(
        output_dir=str(folder),
        per_device_train_batch_size=plan.batch_size * plan.gradient_accumulation_steps,
        gradient_accumulation_steps=1,
        max_steps=plan.total_updates,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim=settings.optimizer,
        neftune_noise_alpha=settings.neftune_noise_alpha or None,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=device.type == "cpu",
        seed=settings.seed,
        data_seed=settings.seed,
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it would hide what went wrong, and wait for the card twice an update
        eval_strategy="no",
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        dataloader_num_workers=0,
        # Forward passes must not wait for each other, for processes may differ in how many they have: no buffers are
        # broadcast in them, and no buckets rebuilt (DDP does not where it looks for unused parameters).
        ddp_find_unused_parameters=True,
        ddp_broadcast_buffers=False,
        ddp_timeout=int(PATIENCE_S),
    )
    _one_process_one_device(arguments)
    return arguments


@cache
def _arguments_class() -> type[TrainingArguments]:
    """Late, for transformers takes seconds to import."""
    from transformers import TrainingArguments

    class Arguments(TrainingArguments):
        """With several processes on processors it would be "cpu:0", a name under which torch can't load a file."""

        @property
        def device(self) -> torch.device:
            found = super().device
            return torch.device("cpu") if found.type == "cpu" else found

    return Arguments


def _one_process_one_device(arguments: TrainingArguments) -> None:
    """With several cards in sight and one process, the Trainer would wrap the model in DataParallel."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
