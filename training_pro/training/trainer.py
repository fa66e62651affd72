"""transformers' Trainer with our update, our order, our schedules, our evaluation, and checkpoints written whole."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainingArguments

from training_pro.errors import RunError
from training_pro.record.checkpoints import CheckpointNote, write_checkpoint_note
from training_pro.record.files import staged_folder, write_json_whole
from training_pro.record.state import utc_now
from training_pro.training.adapter import save_adapter
from training_pro.training.batches import Samples, UpdateBatch, collate, pad, trained_tokens
from training_pro.training.callbacks.behaviour import Behaviour
from training_pro.training.callbacks.checkpoints import Checkpoints
from training_pro.training.callbacks.meter import Meter
from training_pro.training.checkpoint import STATE_FILE
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.learning_rate import make_scheduler
from training_pro.training.oom import free_memory, is_out_of_memory
from training_pro.training.order import EpochSampler
from training_pro.training.schedules.shape import Shape
from training_pro.training.status import Phase
from training_pro.training.update import UpdateRunner

logger = logging.getLogger(__name__)


class Diverged(RunError):
    """The loss or the gradient is no longer a number; the weights are still those of the last good update."""


@dataclass
class Parts:
    """What a trainer is put together from, besides transformers' arguments."""

    model: Any
    train: Samples
    eval: Samples | None
    sampler: EpochSampler
    shape: Shape
    schedule: str
    schedules_folder: Path | None
    pad_id: int
    train_head: bool
    controls: Controls
    checkpoints: Checkpoints
    meter: Meter
    behaviours: list[Behaviour]
    on_note: Callable[[str], None]
    on_saved: Callable[[Path, str], None]
    on_phase: Callable[[Phase], None]
    optimizer: torch.optim.Optimizer | None = field(default=None)


class LoraTrainer(Trainer):
    """One step of this Trainer is one update.

    `last_loss`, `last_grad_norm` and `last_learning_rate` are those of the update just done.
    """

    lr_scheduler: Any
    control: Any
    _staging = ""

    def __init__(self, arguments: TrainingArguments, parts: Parts, micro_batch_size: int) -> None:
        self.parts = parts
        super().__init__(
            model=parts.model,
            args=arguments,
            data_collator=collate,
            train_dataset=parts.train,
            eval_dataset=parts.eval,
            callbacks=list(parts.behaviours),
            optimizers=(parts.optimizer, None),
        )
        for unwanted in (PrinterCallback, ProgressCallback):
            self.remove_callback(unwanted)
        self.runner = UpdateRunner(
            self.accelerator, parts.pad_id, micro_batch_size, lambda: not parts.controls.interrupt_reason, parts.on_note
        )
        self.last_loss = math.nan
        self.last_grad_norm = math.nan
        self.last_learning_rate = math.nan
        self._eval_batch_size = micro_batch_size

    def update_tokens(self) -> tuple[int, int]:
        """Real and computed tokens of the last update."""
        return self.runner.tokens, self.runner.padded_tokens

    # -- training ---------------------------------------------------------------------------------------------

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> EpochSampler:
        return self.parts.sampler

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.lr_scheduler is None:
            parts = self.parts
            chosen = optimizer or self.optimizer
            chosen = getattr(chosen, "optimizer", chosen)
            self.lr_scheduler = make_scheduler(parts.schedule, chosen, parts.shape, parts.schedules_folder)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: UpdateBatch, num_items_in_batch: Any = None) -> torch.Tensor:
        model.train()
        if hasattr(self.optimizer, "train") and callable(self.optimizer.train):
            self.optimizer.train()
        loss = self.runner.run(model, inputs)
        self.last_loss = float(loss)
        self._check_finite(model, self.last_loss, "loss")
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)
        self.last_grad_norm = float(norm) if norm is not None else math.nan
        if not self.args.fp16:  # the gradient scaler meets infinite gradients by itself
            self._check_finite(model, self.last_grad_norm, "gradient")
        self.last_learning_rate = self.optimizer.param_groups[0]["lr"]
        return norm

    def _check_finite(self, model: Any, value: float, what: str) -> None:
        if math.isfinite(value):
            return
        self.runner.clear(model)
        raise Diverged(
            f"The {what} became {value} at update {self.state.global_step + 1}; the LoRA of the update before is kept. "
            "Lower the learning rate or lengthen the warmup."
        )

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> None:
        """Counted per update by `UpdateRunner`."""

    def floating_point_ops(self, inputs: Any) -> int:
        return 0

    # -- evaluation -------------------------------------------------------------------------------------------

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Mean loss over all trained tokens of the evaluation samples, as ``eval_loss`` (nats)."""
        samples = self.parts.eval
        if samples is None:
            return {}
        self.parts.on_phase("evaluating")
        metrics = {"eval_loss": self._mean_loss(samples)}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.parts.on_phase("training")
        return metrics

    def _mean_loss(self, samples: Samples) -> float:
        order = sorted(range(len(samples)), key=lambda i: -int(samples.lengths[i]))
        model = self.model
        model.eval()
        total, count, done = 0.0, 0, 0
        while done < len(order) and not self.parts.controls.interrupt_reason:
            picked = [samples[i] for i in order[done : done + self._eval_batch_size]]
            loss = self._summed_loss(model, picked)
            if loss is None:
                self._eval_batch_size = max(1, self._eval_batch_size // 2)
                continue
            total += loss
            count += trained_tokens(picked)
            done += len(picked)
        model.train()
        return total / count if count else math.nan

    def _summed_loss(self, model: Any, picked: list[Any]) -> float | None:
        """The summed loss of these samples, or None when they do not fit in memory at once."""
        try:
            with torch.no_grad(), self.accelerator.autocast():
                batch = pad(picked, self.parts.pad_id, self.accelerator.device)
                return float(model(**batch.inputs(), num_items_in_batch=1, use_cache=False).loss)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or len(picked) == 1:
                raise
        free_memory()
        return None

    # -- checkpoints ------------------------------------------------------------------------------------------

    def _get_output_dir(self, trial: Any) -> str:
        return self._staging or str(self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """As the Trainer's, but the folder appears whole or not at all, and says why it was written."""
        reason = self.parts.checkpoints.take_reasons()
        name = f"checkpoint-{self.state.global_step}"
        final = Path(self.args.output_dir) / name
        self.parts.on_phase("saving")
        with staged_folder(final) as staging:
            self._staging = str(staging)
            try:
                super()._save_checkpoint(model, trial)
            finally:
                self._staging = ""
            self._lift(staging / name, staging)
            write_json_whole(staging / STATE_FILE, self._run_state())
            write_checkpoint_note(staging, self._note(reason))
        self.parts.on_saved(final, reason)
        self.parts.on_phase("training")

    @staticmethod
    def _lift(inner: Path, outer: Path) -> None:
        """The Trainer insists on its own folder name; its files belong one level up."""
        for path in inner.iterdir():
            path.rename(outer / path.name)
        inner.rmdir()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Only the adapter: no pickled arguments, no tokenizer."""
        save_adapter(self.model, Path(output_dir or self.args.output_dir), self.parts.train_head)

    def _run_state(self) -> dict[str, Any]:
        return {
            "update": self.state.global_step,
            "live": vars(self.parts.controls.taken),
            "micro_batch_size": self.runner.micro_batch_size,
            "behaviours": {type(b).__name__: b.state() for b in self.parts.behaviours},
        }

    def _note(self, reason: str) -> CheckpointNote:
        last = self.parts.meter.last
        eval_loss = self.state.best_metric if self.state.best_global_step == self.state.global_step else None
        return CheckpointNote(
            self.state.global_step, reason, last.smoothed_loss if last else None, eval_loss, utc_now()
        )

    def restore_state(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint's `run_state.json` says; call before `train`."""
        self.runner.micro_batch_size = int(state["micro_batch_size"])
        self.parts.controls.restore(LiveValues(**state["live"]))
        for behaviour in self.parts.behaviours:
            values = state["behaviours"].get(type(behaviour).__name__)
            if values:
                behaviour.restore(values)

    def save_now(self, reason: str) -> None:
        """A checkpoint of the last complete update, outside of the loop (after an interrupt)."""
        self.parts.checkpoints.reasons.append(reason)
        self._save_checkpoint(self.model, None)
