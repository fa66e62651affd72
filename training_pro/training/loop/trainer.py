"""transformers' Trainer with our update, order, schedules, evaluation, and checkpoints written whole.

One step of this Trainer is one update over all its blocks; what an update does is in
`training_pro.training.loop.update`, what happens besides training in `training_pro.training.behaviours`, which one
callback calls. Beside the hooks that the Trainer offers (data loader, optimizer, scheduler, training step, evaluate)
three of its private methods are overridden:

- `_get_grad_norm`, since only there the gradient norm is known before the optimizer's step: weights must not take a
  gradient that is no number.
- `_load_from_checkpoint`, since the LoRA of a model to be sharded is loaded before it is sharded.
- `_load_optimizer_and_scheduler`, since a run that is trained further begins its schedule again.

Beside the update itself, a step costs some milliseconds.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, set_seed

from training_pro.data.prepare import Prepared
from training_pro.errors import ModelError, RunError
from training_pro.plan import Plan
from training_pro.record.checkpoints import RESUME_STATE_FILE, CheckpointNote, newest_first, write_checkpoint_note
from training_pro.record.whole_files import staged_folder, write_json_whole
from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviours
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.learning_rate import FOLLOWS_EVALUATION, make_scheduler
from training_pro.training.loop.arguments import training_arguments
from training_pro.training.loop.batch_sampler import EpochSampler, UpdateSampler
from training_pro.training.loop.batches import ReadableSamples, TokenBlocks, collate
from training_pro.training.loop.checkpoint_files import (
    said_plainly,
    twice_if_short_of_memory,
    write_optimizer,
    write_random_states,
)
from training_pro.training.loop.evaluation import Evaluation
from training_pro.training.loop.optimizers import Rates, make_optimizer
from training_pro.training.loop.random_state import RandomState
from training_pro.training.loop.stepping import survive_out_of_memory
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.model.adapter import adapter_tensors, save_adapter, whole_tensor
from training_pro.training.model.heads import frozen_embeddings
from training_pro.training.planning import shape_of
from training_pro.training.reports import Reports
from training_pro.training.several.team import ALONE, Team
from training_pro.training.status import OVERFLOW, Diverged, Ending, NothingLeft
from training_pro.words import utc_now

_JUDGED_BLOCKS = 4
Stage = Literal["settled", "stepping", "stepped"]


@dataclass(frozen=True)
class Task:
    """What is learned from what, and where it is written. `model` has its LoRA; `pad_id` fills up short blocks."""

    settings: Settings
    plan: Plan
    model: Any
    data: Prepared
    pad_id: int
    folder: Path
    schedules_folder: Path | None


def _always() -> bool:
    """A look is short, and an interrupt within it would come between two behaviours."""
    return True


def _unseen(done: int, total: int) -> None:
    """The progress of a look."""


class _NotLoaded:
    """In the schedule's place while the state of an earlier one is read."""

    def load_state_dict(self, state: object) -> None:
        """Leaves it."""


class _Moments(TrainerCallback):
    """The one callback: the Trainer's moments are those of the behaviours."""

    def __init__(self, trainer: LoraTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, *_: object, **__: object) -> None:
        self._trainer.behaviours.each(lambda behaviour: behaviour.on_run_begin())
        self._trainer.make_up_for_evaluation()

    def on_epoch_begin(self, *_: object, **__: object) -> None:
        self._trainer.behaviours.each(lambda behaviour: behaviour.on_epoch_begin())

    def on_step_begin(self, *_: object, **__: object) -> None:
        self._trainer.before_update()

    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        self._trainer.stage = "stepping"
        self._trainer.behaviours.each(lambda behaviour: behaviour.before_step())

    def on_step_end(self, *_: object, **__: object) -> None:
        self._trainer.stage = "stepped"
        self._trainer.behaviours.each(lambda behaviour: behaviour.after_update())
        self._trainer.stage = "settled"
        self._trainer.settle()

    def on_train_end(self, *_: object, **__: object) -> None:
        self._trainer.behaviours.each(lambda behaviour: behaviour.on_run_end())


class LoraTrainer(Trainer):
    """One step of this Trainer is one update.

    `last_loss` and `last_grad_norm` are those of the update just done, `smoothed_loss` is the meter's, `eval_loss` its
    evaluation's, if there was one.
    `stage` is "settled" while the weights are those of the last update and all behaviours know of it; only then a
    checkpoint can be continued exactly. `ending` is set once a behaviour has stopped the run.
    """

    model: Any
    optimizer: Any
    lr_scheduler: Any
    control: Any

    def __init__(self, task: Task, behaviours: Behaviours, reports: Reports, controls: Controls, team: Team) -> None:
        settings, plan, data = task.settings, task.plan, task.data
        self.task = task
        self.behaviours = behaviours
        self.reports = reports
        self.controls = controls
        self.team = team
        self.order = EpochSampler(data.train.lengths, plan.blocks_at_once, settings.seed, settings.group_by_length)
        self.stage: Stage = "settled"
        self.ending: Ending | None = None
        self.last_loss = self.last_grad_norm = math.nan
        self.smoothed_loss: float | None = None
        self.eval_loss: float | None = None
        self._evaluation_due = False
        self._save_reasons: list[str] = []
        self._continued_from: Path | None = None
        self._begins_part = False  # of a run that is trained further
        self._last_blocks: list[Any] = []
        weight = frozen_embeddings(task.model)
        super().__init__(
            model=task.model,
            args=training_arguments(settings, plan, task.folder, weight.device, weight.dtype),
            data_collator=collate,
            train_dataset=data.train,
            eval_dataset=data.eval,
            callbacks=[_Moments(self)],
        )
        for unwanted in (PrinterCallback, ProgressCallback):
            self.remove_callback(unwanted)
        self.sharded = bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)
        asked, size = self._may_continue, plan.batch_size
        self.runner = UpdateRunner(self.accelerator, task.pad_id, size, asked, reports.note, team, self.sharded)
        self.evaluation = Evaluation(
            self.accelerator, task.pad_id, size, asked, self._evaluated, reports.note, team, self.sharded
        )
        self._at_once = size
        if team.rank:
            set_seed(settings.seed + team.rank)  # each process its own dropout
        behaviours.attach(self)

    def blocks_at_once(self, size: int) -> None:
        """So many blocks fit on the device at once; call before `train`."""
        self._at_once = self.runner.micro_batch_size = self.evaluation.batch_size = size

    # -- seen and asked for by the behaviours ---------------------------------------------------------------------

    @property
    def update(self) -> int:
        return int(self.state.global_step)

    @property
    def total_updates(self) -> int:
        return self.task.plan.total_updates

    @property
    def epoch(self) -> float:
        return float(self.state.epoch or 0.0)

    @property
    def stopping(self) -> bool:
        return bool(self.control.should_training_stop)

    def update_tokens(self) -> tuple[int, int]:
        return self.runner.tokens, self.runner.padded_tokens

    def with_and_without(self) -> tuple[float, float] | None:
        """The mean losses on blocks of the last update with the LoRA and without it, in all processes the same; None
        where they can't be known: of a sharded model, or where memory runs out.

        Costs two forward passes over at most `_JUDGED_BLOCKS` blocks."""
        blocks = TokenBlocks(self._last_blocks[:_JUDGED_BLOCKS])
        if self.sharded:
            return None
        own = self._judged(blocks) if len(blocks) else None
        known = [judged for judged in self.team.gather(own) if judged is not None]
        if not known:
            return None
        return sum(with_it for with_it, _ in known) / len(known), sum(without for _, without in known) / len(known)

    def _judged(self, blocks: TokenBlocks) -> tuple[float, float] | None:
        try:
            with_it = self.measured(blocks, alone=True)
            with self.model.disable_adapter():
                without = self.measured(blocks, alone=True)
        except ModelError:
            return None
        return (with_it, without) if math.isfinite(without) else None

    def measured(self, blocks: TokenBlocks, alone: bool = False) -> float:
        """The mean loss over these blocks as the model is now, in nats a token; `alone`: this process's own blocks.

        Raises:
            ModelError: not even one block fits in memory.
        """
        team, size = ALONE if alone else self.team, self.runner.micro_batch_size
        look = Evaluation(
            self.accelerator, self.task.pad_id, size, _always, _unseen, self.reports.note, team, self.sharded
        )
        look.masked = self.evaluation.masked
        return look.mean_loss(self.model, blocks)

    def stop(self, reason: str) -> None:
        self.ending = self.ending or Ending("stopped", reason)
        self.controls.end(reason)
        self.control.should_training_stop = True

    def ask_checkpoint(self, reason: str) -> None:
        self._save_reasons.append(reason)

    def ask_evaluation(self) -> None:
        self._evaluation_due = True

    def while_paused(self) -> None:
        self.behaviours.each(lambda behaviour: behaviour.while_paused())

    def _may_continue(self) -> bool:
        return not self.controls.interrupt_reason

    # -- training ---------------------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Draws from a generator of its own: between updates the global random state stands still, so that a
        checkpoint written anywhere between them is continued exactly.

        Not prepared by accelerate, which would fill up the last shares of an epoch by repeating blocks."""
        plan, team = self.task.plan, self.team
        return DataLoader(
            ReadableSamples(self.task.data.train),
            batch_sampler=UpdateSampler(self.order, plan.blocks_at_once, plan.blocks_per_update, team.rank, team.size),
            collate_fn=collate,
            generator=torch.Generator(),
        )

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        if self.optimizer is None:
            self.optimizer = make_optimizer(self.model, self.args, Rates.of(self.task.settings))
            survive_out_of_memory(self.optimizer, self.reports.note)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.lr_scheduler is None:
            settings, plan = self.task.settings, self.task.plan
            chosen = optimizer or self.optimizer
            self.lr_scheduler = make_scheduler(
                settings.lr_scheduler_type,
                getattr(chosen, "optimizer", chosen),
                shape_of(plan),
                self.task.schedules_folder,
            )
        return self.lr_scheduler

    def before_update(self) -> None:
        """Called once the Trainer has loaded a checkpoint's random state, if there is one."""
        if self._continued_from is not None:
            self._restore_random_state(self._continued_from)
            self._continued_from = None
        self.eval_loss = None
        self.behaviours.each(lambda behaviour: behaviour.before_update())

    def training_step(self, model: Any, inputs: list[Any], num_items_in_batch: Any = None) -> torch.Tensor:
        if self.stopping or self.update >= self.total_updates:
            raise NothingLeft
        if not model.training:
            model.train()
        if callable(getattr(self.optimizer, "train", None)):
            self.optimizer.train()
        self._last_blocks = inputs
        loss = self.runner.run(model, inputs)
        self.last_loss = self.runner.loss
        self._check_finite(self.last_loss, "loss")
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        grad_norm = super()._get_grad_norm(model, grad_norm)
        self.last_grad_norm = float(whole_tensor(grad_norm)) if grad_norm is not None else math.nan
        if not self.args.fp16:  # the gradient scaler handles infinite gradients itself
            self._check_finite(self.last_grad_norm, "gradient")
        return grad_norm

    def _check_finite(self, value: float, what: str) -> None:
        """Raises:
        Diverged: `value` is no number; the update is taken back.
        """
        if not math.isfinite(value):
            self.runner.clear(self.model)
            advice = OVERFLOW if self.args.fp16 else ""
            raise Diverged(f"The {what} became {value} at update {self.update + 1}.", advice)

    def floating_point_ops(self, inputs: Any) -> int:
        """Nobody asks for them, and the Trainer's own count walks through all parameters."""
        return 0

    # -- after an update --------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Evaluate and save what is due. The schedules that follow the evaluation loss step with it."""
        if self._evaluation_due:
            self._evaluation_due = False
            loss = self.evaluate().get("eval_loss")
            if loss is not None and self.task.settings.lr_scheduler_type in FOLLOWS_EVALUATION:
                self.lr_scheduler.step(loss)
        if self._save_reasons:
            self._write_due()

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Mean loss over all trained tokens of the evaluation samples, as ``eval_loss`` (nats)."""
        samples = self.task.data.eval
        if samples is None:
            return {}
        with self.reports.board.during("evaluating"):
            loss = self.eval_loss = self.evaluation.mean_loss(self.model, samples)
            self.behaviours.each(lambda behaviour: behaviour.after_evaluation(loss))
        return {"eval_loss": loss}

    def _evaluated(self, done: int, total: int) -> None:
        self.reports.board.progress(done, total, "evaluating")

    def make_up_for_evaluation(self) -> None:
        """Do the evaluation that an interrupt cut short before the checkpoint where the run continues."""
        if self._evaluation_due and self._continued_from is not None:
            self._restore_random_state(self._continued_from)
            self.settle()

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def save_now(self, reason: str) -> None:
        """A checkpoint of the last complete update, outside of the loop (in a pause, after an interrupt).

        If there is one of this update already, its reasons stay: they decide which checkpoints are kept."""
        final = self._checkpoint_folder()
        before = [found.reason for found in newest_first(final.parent) if found.path == final and found.reason]
        self._save_reasons += [*before, *([] if any(reason in r for r in before) else [reason])]
        self._write_due()

    def _checkpoint_folder(self) -> Path:
        return self.task.folder / f"checkpoint-{self.update}"

    def _write_due(self) -> None:
        """The folder appears whole or not at all, and says why it was written; the main process writes it, the random
        states of all included."""
        reason, self._save_reasons = "; ".join(self._save_reasons), []
        states = self._random_states()
        if not self.team.main:
            if self.sharded:
                self._fill(Path(self.team.gather(None)[0]), states)
            return
        final = self._checkpoint_folder()
        with self.reports.board.during("saving"):
            self.reports.history.sync()
            if twice_if_short_of_memory(lambda: self._write_checkpoint(final, reason, states)):
                self.reports.saved(final, reason)
            else:
                self.reports.note("Out of memory while saving; this checkpoint was left out, the run continues.")

    def _random_states(self) -> list[bytes]:
        """Each process's ``rng_state`` file; only this one's once the others are gone."""
        own = RandomState.take().file_bytes(one_process=self.team.size == 1)
        if self.team.size == 1 or self.team.lost:
            return [own]
        return [base64.b64decode(state) for state in self.team.gather(base64.b64encode(own).decode())]

    def _write_checkpoint(self, final: Path, reason: str, states: list[bytes]) -> None:
        with said_plainly(final), staged_folder(final) as staging:
            self._fill(Path(self.team.gather(str(staging))[0]) if self.sharded else staging, states)
            write_json_whole(staging / RESUME_STATE_FILE, self._run_state())
            note = CheckpointNote(self.update, reason, self.smoothed_loss, self.eval_loss, utc_now())
            write_checkpoint_note(staging, note)

    def _fill(self, folder: Path, states: list[bytes]) -> None:
        """What the Trainer loads again; of a sharded model it is written by all processes together."""
        if self.team.main:
            save_adapter(self.model, folder)
        else:
            adapter_tensors(self.model)  # asked for by all, kept by one
        write_optimizer(self, folder)
        if self.team.main:
            write_random_states(states, folder, one_process=self.team.size == 1)
            self.state.save_to_json(str(folder / "trainer_state.json"))
        if self.sharded:
            self.team.gather(None)

    def _run_state(self) -> dict[str, Any]:
        return {
            "update": self.update,
            "live": vars(self.controls.taken),
            "chosen": vars(self.controls.chosen),
            "micro_batch_size": self.runner.micro_batch_size,
            "batch_size": self._at_once,
            "blocks_at_once": self.order.batch_size,
            "processes": self.team.size,
            "behaviours": self.behaviours.state(),
        }

    def continue_from(self, checkpoint: Path, state: dict[str, Any]) -> None:
        """Take over what a checkpoint's `run_state.json` says; call before `train`.

        Continued in another number of processes, blocks come in the order of those before."""
        self._continued_from = checkpoint
        self._begins_part = 0 < int(state["update"]) == self.task.plan.begins_at
        self.order.batch_size = int(state.get("blocks_at_once", self.order.batch_size))
        fitted = int(state["micro_batch_size"])
        if int(state.get("processes", 1)) == self.team.size:
            self.runner.micro_batch_size = fitted
        elif fitted < int(state.get("batch_size", fitted + 1)):  # memory had run out
            self.runner.micro_batch_size = min(fitted, self.runner.micro_batch_size)
        self.controls.restore(LiveValues(**state["live"]))
        self.behaviours.restore(state["behaviours"])

    def begin_at(self, state: dict[str, Any]) -> Path:
        """Begin a new part of a run at its update with the weights alone; the checkpoint that is written of it.

        Raises:
            RunError: the model is sharded, whose optimizer can't be made before it is.
        """
        if self.sharded:
            raise RunError(
                "A run on a sharded model can be trained further only from a checkpoint of its last update, and there "
                "is none. Train on top of its weights.",
                option="--existing on-top",
            )
        self.state.global_step, self.state.epoch = int(state["update"]), float(state["epoch"])
        self.state.train_batch_size = self._train_batch_size
        self.state.compute_steps(self.args, self.total_updates)
        self.controls.restore(LiveValues(**state["live"]))
        self.behaviours.restore(state["behaviours"])
        self.create_optimizer()
        self.create_scheduler(self.total_updates)
        self.save_now("training further begins here, with a fresh optimizer")
        self._continued_from, self._begins_part = self._checkpoint_folder(), True
        return self._continued_from

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """A new part has the optimizer's state of before, but a schedule and rates of its own."""
        if not self._begins_part:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        rates: list[dict[str, Any]] = [
            {name: group[name] for name in ("lr", "initial_lr") if name in group} for group in self._groups()
        ]
        scheduler, self.lr_scheduler = self.lr_scheduler, _NotLoaded()
        try:
            super()._load_optimizer_and_scheduler(checkpoint)
        finally:
            self.lr_scheduler = scheduler
        for group, fresh in zip(self._groups(), rates, strict=True):
            group.update(fresh)

    def _groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self.optimizer.param_groups
        return groups

    def _restore_random_state(self, checkpoint: Path) -> None:
        """As the Trainer does, but of all cards. Without a state of this process nothing changes."""
        name = "rng_state.pth" if self.team.size == 1 else f"rng_state_{self.team.rank}.pth"
        if (checkpoint / name).is_file():
            RandomState.of_file(checkpoint / name).restore()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
