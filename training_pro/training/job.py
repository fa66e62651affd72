"""One training on a loaded model: puts the parts together, trains, and hands back how it ended.

Here a block's way ends (samples to batches to the Trainer) and the stop loss's way ends (controls to the
behaviours). It knows nothing of hosts, threads or pages.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import ModelError, UserError
from training_pro.plan import Plan
from training_pro.record.adapter_files import CONFIG_FILE, WEIGHTS_FILE
from training_pro.record.checkpoints import CheckpointInfo, newest_first
from training_pro.record.history import Event, History
from training_pro.record.whole_files import files_into
from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviour, Dispensable
from training_pro.training.behaviours.checkpoints import Checkpoints, rotate
from training_pro.training.behaviours.epoch_order import EpochOrder
from training_pro.training.behaviours.evaluate import Evaluate
from training_pro.training.behaviours.learning_rate_scale import LearningRateScale
from training_pro.training.behaviours.memory_peak import MemoryPeak
from training_pro.training.behaviours.meter import Meter
from training_pro.training.behaviours.pause import Pause
from training_pro.training.behaviours.samples import SampleAnswers, answer
from training_pro.training.behaviours.stop_at_epoch import StopAtEpoch
from training_pro.training.behaviours.stop_at_loss import StopAtLoss
from training_pro.training.behaviours.tensorboard_wandb import Scalars, scalars_behaviour
from training_pro.training.behaviours.watchdog import Watchdog
from training_pro.training.controls import Controls
from training_pro.training.loop.arguments import training_arguments
from training_pro.training.loop.batch_sampler import EpochSampler, UpdateSampler
from training_pro.training.loop.batches import Samples, pad_id
from training_pro.training.loop.checkpoint_files import said_plainly, twice_if_short_of_memory
from training_pro.training.loop.trainer import LoraTrainer, Parts
from training_pro.training.loop.update import Interrupted
from training_pro.training.memory.run_memory import RunMemory
from training_pro.training.model import adapter as adapters
from training_pro.training.model.prepare import ready
from training_pro.training.model.start_weights import load_weights
from training_pro.training.model.vocabulary import embedding_rows
from training_pro.training.resume import Continuation
from training_pro.training.schedules.shape import Shape
from training_pro.training.several.sharding import sharding_note, spread
from training_pro.training.several.team import ALONE, Team
from training_pro.training.status import Diverged, EarlyEnd, Ending, NothingLeft, SavedCheckpoint, StatusBoard

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

_CALMER = "Lower the learning rate or lengthen the warmup"
_CALMER_OPTIONS = ("--set learning_rate=NUMBER", "--set warmup_steps=NUMBER")
_AFTER_FAULT = "saved after a fault"


@dataclass
class Job:
    """What is trained on what, with which choices, and where it is written.

    In a team of processes each has its own job over its share of the blocks; the main one alone writes.
    """

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
    memory: RunMemory | None = None
    team: Team = ALONE

    def __post_init__(self) -> None:
        self.agreed = self.team.share(self.controls, self.settings)

    def run(self, continuation: Continuation, live: dict[str, Any], on_top_of: Path | None = None) -> Ending:
        """Train to the end or to a stop; afterwards the adapter files are in `folder`.

        Raises:
            UserError: the run failed in a way a person can act on. Other errors are defects. What was learned up
                to the last update is saved all the same, where the disk allows.
        """
        attached = self._attach(on_top_of)
        early_end = EarlyEnd()
        at_once = int(continuation.state.get("blocks_at_once", self.plan.blocks_at_once))
        parts = self._parts(attached.model, early_end, self._order(at_once))
        device = self.model.get_input_embeddings().weight.device
        dtype = self.model.get_input_embeddings().weight.dtype
        arguments = training_arguments(self.settings, self.plan, self.folder, device, dtype)
        trainer = LoraTrainer(arguments, parts, self._blocks_at_once())
        parts.meter.facts = trainer
        if self.memory is not None:
            runner = trainer.runner
            runner.ways_out, runner.options = self.memory.ways_out(int(self.train.lengths.max()))
            trainer.add_callback(MemoryPeak(device, partial(self.memory.learn, trainer.runner)))
        if trainer.is_fsdp_enabled and continuation.checkpoint is not None:
            load_weights(attached, continuation.checkpoint)
        self._wire(trainer, continuation.checkpoint)
        if continuation.checkpoint is not None:
            trainer.restore_state({**continuation.state, "live": live})
            self.board.change(tokens=parts.meter.tokens_seen)
        try:
            return self._train(trainer, early_end, continuation.checkpoint)
        finally:
            _close_scalars(parts.behaviours)

    # -- before ---------------------------------------------------------------------------------------------------

    def _attach(self, on_top_of: Path | None) -> adapters.Attached:
        """The model with its LoRA, made ready to be trained."""
        attached = ready(self.model, self.settings, self.board.note)
        if sharding_note(self.model):
            self.board.note(sharding_note(self.model))
        if on_top_of is not None:
            note = load_weights(attached, on_top_of)
            if note:
                self.board.note(note)
        self.board.change(trainable_parameters=attached.trainable_parameters)
        return attached

    def _blocks_at_once(self) -> int:
        """The size of micro-batches: the plan's, or what memory allows."""
        if self.memory is None:
            return self.plan.batch_size
        said = self.memory.begin(self.plan.batch_size, int(self.train.lengths.max()))
        if said:
            self._note(said)
        return self.memory.at_once

    def _order(self, blocks_at_once: int) -> EpochSampler:
        """Continued in another number of processes, blocks come in the order of those before."""
        settings = self.settings
        return EpochSampler(self.train.lengths, blocks_at_once, settings.seed, settings.group_by_length)

    def _parts(self, model: Any, early_end: EarlyEnd, order: EpochSampler) -> Parts:
        settings, plan, controls, team = self.settings, self.plan, self.agreed, self.team
        meter = Meter(controls, self.history, self.board.point)
        watchdog = Watchdog(meter)
        checkpoints = Checkpoints(settings, controls, meter)
        behaviours: list[Behaviour] = [
            EpochOrder(order),
            Pause(controls, self._paused),
            LearningRateScale(controls),
            meter,
            watchdog,
            *(self._watching(meter) if team.main else []),
            StopAtLoss(controls, meter, early_end),
            StopAtEpoch(controls, early_end),
            checkpoints,
        ]
        if self.eval is not None:
            behaviours.append(Evaluate(settings, early_end))
        return Parts(
            model=model,
            train=self.train,
            eval=self.eval,
            order=order,
            sampler=UpdateSampler(order, plan.blocks_at_once, plan.blocks_per_update, team.rank, team.size),
            team=team,
            shape=Shape(plan.total_updates, plan.updates_per_epoch, plan.warmup_steps),
            schedule=settings.lr_scheduler_type,
            schedules_folder=self.schedules_folder,
            lora_plus_ratio=settings.lora_plus_ratio,
            pad_id=pad_id(self.tokenizer, embedding_rows(self.model)),
            controls=controls,
            checkpoints=checkpoints,
            meter=meter,
            watchdog=watchdog,
            behaviours=behaviours,
            on_note=self._note,
            on_saving=self.history.sync,
            on_saved=self._saved,
            on_phase=self.board.phase,
            on_progress=self.board.progress,
        )

    def _watching(self, meter: Meter) -> list[Behaviour]:
        """What only watches, and without which a run goes on."""
        found: list[Behaviour] = []
        scalars = scalars_behaviour(self.settings, self.folder, meter)
        if scalars is not None:
            found.append(Dispensable(scalars, f"writing logs for {self.settings.report_to}", self._note))
        if spread() != "copies":
            self.board.note("Sample prompts are not answered while the model is sharded over several devices.")
            return found
        samples = SampleAnswers(self.settings, self.controls, self.history, self._answer)
        return [*found, Dispensable(samples, "answering the sample prompts", self._note)]

    @staticmethod
    def _wire(trainer: LoraTrainer, checkpoint: Path | None) -> None:
        """Some behaviours ask the trainer for more than it asks of them."""
        behaviours = trainer.parts.behaviours
        samples = next(
            (b for b in behaviours if isinstance(b, Dispensable) and isinstance(b.inner, SampleAnswers)), None
        )
        for behaviour in behaviours:
            if isinstance(behaviour, Pause):
                behaviour.save_now = trainer.save_now
                behaviour.sample_now = partial(samples.ask, "answer_requests") if samples is not None else None
            if isinstance(behaviour, Evaluate) and checkpoint is not None:
                behaviour.make_up = partial(trainer.make_up_for_evaluation, str(checkpoint))

    # -- training and what it ends with -----------------------------------------------------------------------------

    def _train(self, trainer: LoraTrainer, early_end: EarlyEnd, checkpoint: Path | None) -> Ending:
        self.board.phase("training")
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
            ending = early_end.ending or Ending("finished", "all updates are done")
        except NothingLeft:
            ending = early_end.ending or Ending("finished", "all updates are done")
        except Interrupted:
            ending = Ending("interrupted", self.agreed.interrupt_reason)
        except Diverged as error:
            return self._fall_back(trainer, error)
        except BaseException:
            self._rescue(trainer)
            raise
        self._save_end(trainer, ending)
        return ending

    def _save_end(self, trainer: LoraTrainer, ending: Ending) -> None:
        """The adapter; for a run that ended early also a checkpoint to go on from."""
        if ending.kind != "finished":
            self._save_checkpoint(trainer, ending.reason)
        self._save_adapter(trainer)

    def _save_checkpoint(self, trainer: LoraTrainer, reason: str) -> None:
        update = trainer.state.global_step
        if self.team.main_says(update > 0 and not (self.folder / f"checkpoint-{update}").is_dir()):
            trainer.save_now(reason)

    def _save_adapter(self, trainer: LoraTrainer) -> None:
        if not self.team.main:
            if trainer.sharded:
                adapters.adapter_tensors(trainer.model)
            return
        self.board.phase("saving")
        if not twice_if_short_of_memory(lambda: self._write_adapter(trainer)):
            raise ModelError(
                "Out of memory while saving the LoRA; close other programs and continue the run from its newest "
                "checkpoint."
            )

    def _write_adapter(self, trainer: LoraTrainer) -> None:
        with said_plainly(self.folder / WEIGHTS_FILE), files_into(self.folder) as staging:
            adapters.save_adapter(trainer.model, staging)

    def _fall_back(self, trainer: LoraTrainer, error: Diverged) -> Ending:
        """Training went wrong: the result is the last checkpoint that is known to be good."""
        good = next((c for c in newest_first(self.folder) if c.loadable and c.update < error.good_until), None)
        if good is not None:
            self._copy_adapter(good)
            kept = f"The LoRA is that of {good.path.name}."
        else:
            self._save_adapter(trainer)
            kept = "There was no good checkpoint to go back to: the LoRA is that of the last update."
        return Ending("failed", f"{error} {kept} {_CALMER}.", _CALMER_OPTIONS)

    def _copy_adapter(self, checkpoint: CheckpointInfo) -> None:
        if not self.team.main:
            return
        self.board.phase("saving")
        with files_into(self.folder) as staging:
            for name in (CONFIG_FILE, WEIGHTS_FILE):
                shutil.copyfile(checkpoint.path / name, staging / name)

    def _rescue(self, trainer: LoraTrainer) -> None:
        """Save what was learned before a fault, as far as that is possible; the fault itself is what is told."""
        if trainer.state.global_step == 0 or not self.team.main:
            return
        try:
            newest = next((c for c in newest_first(self.folder) if c.loadable), None)
            if trainer.stage == "settled" and not trainer.sharded:
                with self.team.apart():
                    self._save_checkpoint(trainer, _AFTER_FAULT)
            if trainer.stage != "stepping" and not trainer.sharded:
                self._save_adapter(trainer)
            elif newest is not None:
                self._copy_adapter(newest)
        except (UserError, OSError, RuntimeError, MemoryError) as error:
            logger.warning("After the fault, nothing more could be saved: %s", str(error))

    # -- told by the parts ------------------------------------------------------------------------------------------

    def _paused(self, paused: bool) -> None:
        self.board.phase("paused" if paused else "training")

    def _note(self, sentence: str) -> None:
        self.board.note(sentence)
        self.history.add_event(Event("note", self.board.status.update, sentence))

    def _saved(self, path: Path, reason: str) -> None:
        update = int(path.name.removeprefix("checkpoint-"))
        self.history.add_event(Event("checkpoint", update, reason))
        self.board.saved(SavedCheckpoint(update, path, reason))
        for removed in rotate(self.folder, self.settings.keep_checkpoints):
            self.board.removed(removed)

    def _answer(self, model: Any, prompt: str) -> str:
        phase = self.board.status.phase
        self.board.phase("sampling")
        try:
            return answer(model, self.tokenizer, prompt, self.settings.sample_tokens, self._ending_asked)
        finally:
            self.board.phase(phase)

    def _ending_asked(self) -> bool:
        return bool(self.controls.interrupt_reason)


def _close_scalars(behaviours: list[Behaviour]) -> None:
    for behaviour in behaviours:
        inner = getattr(behaviour, "inner", behaviour)
        if isinstance(inner, Scalars):
            inner.close()
