"""transformers' Trainer with our update, our order, our schedules, our evaluation, and checkpoints written whole.

One step of this Trainer is one update. What happens besides training is in ``callbacks``; what an update does is
in `training_pro.training.loop.update`.
"""

from __future__ import annotations

import base64
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from training_pro.record.checkpoints import RESUME_STATE_FILE, CheckpointNote, newest_first, write_checkpoint_note
from training_pro.record.whole_files import staged_folder, write_json_whole
from training_pro.training.behaviours.behaviour import Behaviour
from training_pro.training.behaviours.checkpoints import Checkpoints
from training_pro.training.behaviours.meter import Meter
from training_pro.training.behaviours.watchdog import Watchdog
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.learning_rate import make_scheduler
from training_pro.training.loop.batch_sampler import EpochSampler, UpdateSampler
from training_pro.training.loop.batches import ReadableSamples, Samples, UpdateBatch, collate
from training_pro.training.loop.checkpoint_files import said_plainly, twice_if_short_of_memory
from training_pro.training.loop.evaluation import Evaluation
from training_pro.training.loop.optimizers import make_optimizer
from training_pro.training.loop.stepping import survive_out_of_memory
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.model.adapter import adapter_tensors, save_adapter, untaught_note, whole_tensor
from training_pro.training.schedules.shape import Shape
from training_pro.training.several.team import Team
from training_pro.training.status import Diverged, NothingLeft, Phase
from training_pro.words import utc_now

logger = logging.getLogger(__name__)

Stage = Literal["settled", "stepping", "stepped"]


@dataclass
class Parts:
    """What a trainer is put together from, besides transformers' arguments."""

    model: Any
    train: Samples
    eval: Samples | None
    order: EpochSampler
    sampler: UpdateSampler
    team: Team
    shape: Shape
    schedule: str
    schedules_folder: Path | None
    lora_plus_ratio: float
    pad_id: int
    controls: Controls
    checkpoints: Checkpoints
    meter: Meter
    watchdog: Watchdog
    behaviours: list[Behaviour]
    on_note: Callable[[str], None]
    on_saving: Callable[[], None]
    on_saved: Callable[[Path, str], None]
    on_phase: Callable[[Phase], None]
    on_progress: Callable[[int, int, str], None]


class _Stages(TrainerCallback):
    """Keeps the trainer's `stage`: from the optimizer's step on, weights and books disagree for a moment."""

    def __init__(self, trainer: LoraTrainer) -> None:
        self._trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.stage = "stepping"

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.stage = "stepped"


class LoraTrainer(Trainer):
    """One step of this Trainer is one update.

    `last_loss` and `last_grad_norm` are those of the update just done. `stage` is "settled" while the weights are
    those of the last update and all behaviours know of it; only then a checkpoint can be continued exactly.
    """

    optimizer: Any
    lr_scheduler: Any
    control: Any
    _staging = ""

    def __init__(self, arguments: TrainingArguments, parts: Parts, micro_batch_size: int) -> None:
        self.parts = parts
        self.stage: Stage = "settled"
        self.last_loss = math.nan
        self.last_grad_norm = math.nan
        super().__init__(
            model=parts.model,
            args=arguments,
            data_collator=collate,
            train_dataset=parts.train,
            eval_dataset=parts.eval,
            callbacks=[_Stages(self), *parts.behaviours],
        )
        for unwanted in (PrinterCallback, ProgressCallback):
            self.remove_callback(unwanted)
        self.runner = UpdateRunner(
            self.accelerator, parts.pad_id, micro_batch_size, self._may_go_on, parts.on_note, parts.team
        )
        self.evaluation = Evaluation(
            self.accelerator,
            parts.pad_id,
            micro_batch_size,
            self._may_go_on,
            self._evaluated,
            parts.on_note,
            parts.team,
        )
        self.sharded = bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)
        self.runner.lockstep = self.evaluation.lockstep = self.sharded
        self._random_states: list[str] = []
        self._asked_for_untaught = False
        self._batch_size = micro_batch_size
        if parts.team.rank:
            set_seed(arguments.seed + parts.team.rank)  # each process its own dropout
        self._learning = [parameter for parameter in parts.model.parameters() if parameter.requires_grad]

    def update_tokens(self) -> tuple[int, int]:
        """Real and computed tokens of the last update."""
        return self.runner.tokens, self.runner.padded_tokens

    def _may_go_on(self) -> bool:
        return not self.parts.controls.interrupt_reason

    # -- training ---------------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Draws from a generator of its own: between updates the global random state stands still, so that a
        checkpoint written anywhere between them is continued exactly.

        Not prepared by accelerate, which would fill up the last shares of an epoch by repeating blocks."""
        return DataLoader(
            ReadableSamples(self.parts.train),
            batch_sampler=self.parts.sampler,
            collate_fn=collate,
            generator=torch.Generator(),
        )

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        if self.optimizer is None:
            self.optimizer = make_optimizer(self.model, self.args, self.parts.lora_plus_ratio)
            survive_out_of_memory(self.optimizer, self.parts.on_note)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.lr_scheduler is None:
            parts = self.parts
            chosen = optimizer or self.optimizer
            chosen = getattr(chosen, "optimizer", chosen)
            self.lr_scheduler = make_scheduler(parts.schedule, chosen, parts.shape, parts.schedules_folder)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: UpdateBatch, num_items_in_batch: Any = None) -> torch.Tensor:
        if self.control.should_training_stop or self.state.global_step >= self.args.max_steps:
            raise NothingLeft
        if not model.training:
            model.train()
        if hasattr(self.optimizer, "train") and callable(self.optimizer.train):
            self.optimizer.train()
        if self.sharded:  # sharding has put others in the place of the parameters
            self._learning = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        loss = self.runner.run(model, inputs)
        self.last_loss = float(loss)
        self._check_finite(model, self.last_loss, "loss")
        self._name_untaught()
        return loss

    def _name_untaught(self) -> None:
        """After the first backward pass: which LoRAs it has not reached. Sharded gradients can't be asked."""
        if self._asked_for_untaught:
            return
        self._asked_for_untaught = True
        note = "" if self.sharded else untaught_note(self.parts.model)
        if note:
            self.parts.on_note(note)

    def _clip_grad_norm(self, model: Any) -> Any:
        return self.accelerator.clip_grad_norm_(self._learning, self.args.max_grad_norm)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        if grad_norm is None:
            grad_norm = self.accelerator.clip_grad_norm_(self._learning, math.inf)
        grad_norm = whole_tensor(grad_norm)
        self.last_grad_norm = float(grad_norm) if grad_norm is not None else math.nan
        if not self.args.fp16:  # the gradient scaler meets infinite gradients by itself
            self._check_finite(model, self.last_grad_norm, "gradient")
        return grad_norm

    def _check_finite(self, model: Any, value: float, what: str) -> None:
        if math.isfinite(value):
            return
        self.runner.clear(model)
        raise Diverged(
            f"The {what} became {value} at update {self.state.global_step + 1}.", self.parts.watchdog.good_until
        )

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> None:
        """Counted per update by `UpdateRunner`."""

    def floating_point_ops(self, inputs: Any) -> int:
        return 0

    def store_flos(self) -> None:
        """Nothing to add up over processes, which the main one would wait for alone."""

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        self.stage = "settled"
        super()._maybe_log_save_evaluate(*args, **kwargs)

    # -- evaluation -------------------------------------------------------------------------------------------

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Mean loss over all trained tokens of the evaluation samples, as ``eval_loss`` (nats)."""
        if self.parts.eval is None:
            return {}
        self.parts.on_phase("evaluating")
        metrics = {"eval_loss": self.evaluation.mean_loss(self.model, self.parts.eval)}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.parts.on_phase("training")
        return metrics

    def _evaluated(self, done: int, total: int) -> None:
        self.parts.on_progress(done, total, "evaluating")

    def make_up_for_evaluation(self, checkpoint: str) -> None:
        """Do the evaluation that an interrupt had cut short, with all that follows from it."""
        self._load_rng_state(checkpoint)
        self._evaluate(None, None)
        if self.control.should_save:
            self._save_checkpoint(self.model, None)
            self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    # -- checkpoints ------------------------------------------------------------------------------------------

    def _get_output_dir(self, trial: Any) -> str:
        return self._staging or str(self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """As the Trainer's, but the folder appears whole or not at all, and says why it was written.

        The main process writes, the random states of all included."""
        reason = self.parts.checkpoints.take_reasons()
        if self.parts.team.size > 1:
            self._random_states = self._all_random_states()
            if not self.parts.team.main:
                if self.sharded:
                    self._fill(self.parts.team.gather(None)[0])
                return
        final = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        self.parts.on_phase("saving")
        self.parts.on_saving()
        if twice_if_short_of_memory(lambda: self._write_checkpoint(final, reason)):
            self.parts.on_saved(final, reason)
        else:
            self.parts.on_note("Out of memory while saving; this checkpoint was left out, the run goes on.")
        self.parts.on_phase("training")

    def _write_checkpoint(self, final: Path, reason: str) -> None:
        with said_plainly(final), staged_folder(final) as staging:
            self._fill(str(self.parts.team.gather(str(staging))[0]) if self.sharded else str(staging))
            self._lift(staging / final.name, staging)
            write_json_whole(staging / RESUME_STATE_FILE, self._run_state())
            write_checkpoint_note(staging, self._note(reason))

    def _all_random_states(self) -> list[str]:
        """Each process's ``rng_state`` file as base64; only one's own once the others are gone."""
        with TemporaryDirectory() as folder:
            super()._save_rng_state(folder)
            own = base64.b64encode(next(Path(folder).iterdir()).read_bytes()).decode()
        return [own] if self.parts.team.lost else self.parts.team.gather(own)

    def _save_rng_state(self, output_dir: str) -> None:
        if self.parts.team.size == 1:
            super()._save_rng_state(output_dir)
        for rank, state in enumerate(self._random_states):
            Path(output_dir, f"rng_state_{rank}.pth").write_bytes(base64.b64decode(state))

    def _fill(self, staging: str) -> None:
        """The Trainer's own files; those of a sharded model are written by all processes."""
        self._staging = staging
        try:
            super()._save_checkpoint(self.model, None)
        finally:
            self._staging = ""
        if self.sharded:
            self.parts.team.gather(None)

    @staticmethod
    def _lift(inner: Path, outer: Path) -> None:
        """The Trainer insists on its own folder name; its files belong one level up."""
        for path in inner.iterdir():
            path.rename(outer / path.name)
        inner.rmdir()

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Only the adapter, also of a sharded model: no pickled arguments, no tokenizer."""
        if self.parts.team.main:
            save_adapter(self.model, Path(output_dir or self.args.output_dir))
        else:
            adapter_tensors(self.model)  # asked for by all, kept by one

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        from accelerate.utils import save_fsdp_optimizer

        plugin = self.accelerator.state.fsdp_plugin
        save_fsdp_optimizer(plugin, self.accelerator, self.optimizer, self.model, output_dir)
        if self.parts.team.main:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir, "scheduler.pt"))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """The LoRA of a model to be sharded is loaded before it is."""
        if not self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _run_state(self) -> dict[str, Any]:
        return {
            "update": self.state.global_step,
            "live": vars(self.parts.controls.taken),
            "chosen": vars(self.parts.controls.chosen),
            "micro_batch_size": self.runner.micro_batch_size,
            "batch_size": self._batch_size,
            "blocks_at_once": self.parts.order.batch_size,
            "processes": self.parts.team.size,
            "behaviours": {type(b).__name__: state for b in self.parts.behaviours if (state := b.state())},
        }

    def _note(self, reason: str) -> CheckpointNote:
        last = self.parts.meter.last
        loss = last.smoothed_loss if last else None
        return CheckpointNote(self.state.global_step, reason, loss, self.parts.checkpoints.eval_loss, utc_now())

    def restore_state(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint's `run_state.json` says; call before `train`."""
        fitted = int(state["micro_batch_size"])
        if int(state.get("processes", 1)) == self.parts.team.size:
            self.runner.micro_batch_size = fitted
        elif fitted < int(state.get("batch_size", fitted + 1)):  # memory had run out
            self.runner.micro_batch_size = min(fitted, self.runner.micro_batch_size)
        self.parts.controls.restore(LiveValues(**state["live"]))
        for behaviour in self.parts.behaviours:
            values = state["behaviours"].get(type(behaviour).__name__)
            if values:
                behaviour.restore(values)

    def save_now(self, reason: str) -> None:
        """A checkpoint of the last complete update, outside of the loop (in a pause, after an interrupt).

        Where there is one of this update already, its reasons stay: rotation goes by them."""
        final = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        before = [found.reason for found in newest_first(final.parent) if found.path == final and found.reason]
        self.parts.checkpoints.reasons += [*before, *([] if any(reason in r for r in before) else [reason])]
        self._save_checkpoint(self.model, None)
