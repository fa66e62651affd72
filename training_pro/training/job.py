"""One training on a loaded model: puts the parts together, trains, and hands back how it ended.

Here a block's way ends (samples to batches to the Trainer) and the stop loss's way ends (controls to the
behaviours). It knows nothing of hosts, threads or pages.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from training_pro.plan import Plan
from training_pro.record.files import files_into
from training_pro.record.history import Event, History
from training_pro.settings import Settings
from training_pro.training import adapter as adapters
from training_pro.training.arguments import training_arguments
from training_pro.training.batches import Samples
from training_pro.training.callbacks.behaviour import Behaviour
from training_pro.training.callbacks.checkpoints import Checkpoints
from training_pro.training.callbacks.epoch_order import EpochOrder
from training_pro.training.callbacks.evaluate import Evaluate
from training_pro.training.callbacks.learning_rate_scale import LearningRateScale
from training_pro.training.callbacks.meter import Meter
from training_pro.training.callbacks.pause import Pause
from training_pro.training.callbacks.samples import SampleAnswers, sample_prompts
from training_pro.training.callbacks.stop_at_epoch import StopAtEpoch
from training_pro.training.callbacks.stop_at_loss import StopAtLoss
from training_pro.training.continuing import Continuation
from training_pro.training.controls import Controls
from training_pro.training.cpu_packing import prepare_for_training
from training_pro.training.ending import EarlyEnd, Ending
from training_pro.training.generation import answer
from training_pro.training.loss import make_lean
from training_pro.training.memory import give_freed_memory_back
from training_pro.training.order import EpochSampler
from training_pro.training.rotation import rotate
from training_pro.training.schedules.shape import Shape
from training_pro.training.status import SavedCheckpoint, StatusBoard
from training_pro.training.trainer import LoraTrainer, Parts
from training_pro.training.update import Interrupted

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)


@dataclass
class Job:
    """What is trained on what, with which choices, and where it is written."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    train: Samples
    eval: Samples | None
    settings: Settings
    plan: Plan
    folder: Path
    schedules_folder: Path | None
    history: History
    controls: Controls
    board: StatusBoard

    def run(self, continuation: Continuation, live: dict[str, Any], on_top_of: Path | None = None) -> Ending:
        """Train to the end or to a stop; afterwards the adapter files are in `folder`.

        Raises:
            UserError: the run failed in a way a person can act on. Other errors are defects.
        """
        device = self.model.get_input_embeddings().weight.device
        if device.type == "cpu":
            give_freed_memory_back()
            prepare_for_training(self.model)
        if not make_lean(self.model):
            self.board.note("This model computes its own loss: more memory is needed than usual.")
        attached = adapters.attach(self.model, self.settings, self.settings.seed)
        for note in attached.notes:
            self.board.note(note)
        if on_top_of is not None:
            adapters.load_weights(attached, on_top_of)
        if self.settings.gradient_checkpointing:
            attached.model.gradient_checkpointing_enable({"use_reentrant": False})
        self._seed()
        trainer, early_end = self._trainer(attached.model, device)
        return self._train(trainer, early_end, continuation, live)

    def _seed(self) -> None:
        from transformers import set_seed

        set_seed(self.settings.seed)

    def _trainer(self, model: Any, device: torch.device) -> tuple[LoraTrainer, EarlyEnd]:
        settings, plan = self.settings, self.plan
        early_end = EarlyEnd()
        sampler = EpochSampler(self.train.lengths, plan.batch_size, settings.seed, settings.group_by_length)
        meter = Meter(self.controls, self.history, self.board.point)
        checkpoints = Checkpoints(settings, self.controls, meter)
        behaviours: list[Behaviour] = [
            EpochOrder(sampler),
            Pause(self.controls, self._paused),
            LearningRateScale(self.controls),
            meter,
            StopAtLoss(self.controls, meter, early_end),
            StopAtEpoch(self.controls, early_end),
            checkpoints,
        ]
        if self.eval is not None:
            behaviours.append(Evaluate(settings, early_end))
        if sample_prompts(settings):
            behaviours.append(SampleAnswers(settings, self.controls, self.history, self._answer))
        parts = Parts(
            model=model,
            train=self.train,
            eval=self.eval,
            sampler=sampler,
            shape=Shape(plan.total_updates, plan.updates_per_epoch, plan.warmup_steps),
            schedule=settings.lr_scheduler_type,
            schedules_folder=self.schedules_folder,
            pad_id=_pad_id(self.tokenizer),
            train_head=settings.train_head,
            controls=self.controls,
            checkpoints=checkpoints,
            meter=meter,
            behaviours=behaviours,
            on_note=self._note,
            on_saved=self._saved,
            on_phase=self.board.phase,
        )
        dtype = self.model.get_input_embeddings().weight.dtype
        arguments = training_arguments(settings, plan, self.folder, device, dtype)
        trainer = LoraTrainer(arguments, parts, plan.batch_size)
        meter.facts = trainer
        return trainer, early_end

    def _train(
        self, trainer: LoraTrainer, early_end: EarlyEnd, continuation: Continuation, live: dict[str, Any]
    ) -> Ending:
        if continuation.checkpoint is not None:
            trainer.restore_state({**continuation.state, "live": live})
        self.board.phase("training")
        try:
            checkpoint = continuation.checkpoint
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
        except Interrupted:
            reason = self.controls.interrupt_reason
            self._save_end(trainer, reason)
            return Ending("interrupted", reason)
        ending = early_end.ending or Ending("finished", "all updates are done")
        self._save_end(trainer, ending.reason if ending.kind != "finished" else "")
        return ending

    def _save_end(self, trainer: LoraTrainer, checkpoint_reason: str) -> None:
        """The adapter; for a run that ended early also a checkpoint to go on from."""
        self.board.phase("saving")
        update = trainer.state.global_step
        if checkpoint_reason and update > 0 and not (self.folder / f"checkpoint-{update}").is_dir():
            trainer.save_now(checkpoint_reason)
        with files_into(self.folder) as staging:
            adapters.save_adapter(trainer.model, staging, self.settings.train_head)

    def _paused(self, paused: bool) -> None:
        self.board.phase("paused" if paused else "training")

    def _note(self, sentence: str) -> None:
        self.board.note(sentence)
        self.history.add_event(Event("note", self.board.status.update, sentence))

    def _saved(self, path: Path, reason: str) -> None:
        update = int(path.name.removeprefix("checkpoint-"))
        self.history.add_event(Event("checkpoint", update, reason))
        self.history.sync()
        self.board.saved(SavedCheckpoint(update, path, reason))
        for removed in rotate(self.folder, self.settings.keep_checkpoints):
            self.board.removed(removed)

    def _answer(self, model: Any, prompt: str) -> str:
        phase = self.board.status.phase
        self.board.phase("sampling")
        try:
            return answer(model, self.tokenizer, prompt, self.settings.sample_tokens)
        finally:
            self.board.phase(phase)


def _pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The tokenizer's own padding; else its EOS or 0: padded positions are masked and have no loss."""
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(candidate, int) and candidate >= 0:
            return candidate
    return 0
