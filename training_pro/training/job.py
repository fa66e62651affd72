"""One training on a loaded model: puts the parts together, trains, and returns how it ended.

Here a block's way ends (samples to batches to the Trainer) and the stop loss's way ends (controls to the
behaviours). It knows nothing of hosts, threads or pages. Beside the updates it costs the time to attach the LoRA and
to save it, some seconds.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.data.prepare import Prepared
from training_pro.errors import ModelError, UserError
from training_pro.plan import Plan
from training_pro.record.adapter_files import CONFIG_FILE, WEIGHTS_FILE
from training_pro.record.checkpoints import CheckpointInfo, newest_first
from training_pro.record.speeds import remember_speed
from training_pro.record.whole_files import files_into
from training_pro.settings import Settings
from training_pro.training.behaviours.behaviour import Behaviour, Behaviours
from training_pro.training.behaviours.checkpoints import Checkpoints
from training_pro.training.behaviours.evaluate import Evaluate
from training_pro.training.behaviours.forgetting import Forgetting
from training_pro.training.behaviours.health import Health, Untaught
from training_pro.training.behaviours.meter import MemoryPeak, Meter
from training_pro.training.behaviours.overflow import Overflow
from training_pro.training.behaviours.samples import Said, SampleAnswers, measured_answer
from training_pro.training.behaviours.steered import EpochOrder, LearningRateScale, Pause
from training_pro.training.behaviours.stops import StopAtEpoch, StopAtLoss, Watchdog
from training_pro.training.behaviours.tensorboard_wandb import scalars_behaviour
from training_pro.training.controls import Controls
from training_pro.training.loop.batches import TokenBlocks, pad_id
from training_pro.training.loop.checkpoint_files import said_plainly, twice_if_short_of_memory
from training_pro.training.loop.trainer import LoraTrainer, Task
from training_pro.training.loop.update import Interrupted
from training_pro.training.memory.in_use import give_freed_memory_back, keep_freed_memory
from training_pro.training.memory.run_memory import RunMemory
from training_pro.training.model import adapter as adapters
from training_pro.training.model.new_words import new_words_of
from training_pro.training.model.packed import packed_asked_once
from training_pro.training.model.padding import needs_mask
from training_pro.training.model.prepare import ready
from training_pro.training.model.start_weights import load_weights
from training_pro.training.model.vocabulary import embedding_rows
from training_pro.training.owner import Trainable
from training_pro.training.pace import expected_of, measured, work_of
from training_pro.training.remaining import FORGETTING
from training_pro.training.reports import Reports
from training_pro.training.resume import Continuation
from training_pro.training.several.sharding import sharding_note, spread
from training_pro.training.several.team import ALONE, Team
from training_pro.training.status import Diverged, Ending, NothingLeft

logger = logging.getLogger(__name__)

_CALMER = "Lower the learning rate or lengthen the warmup"
_CALMER_OPTIONS = ("--set learning_rate=NUMBER", "--set warmup_steps=NUMBER")
_AFTER_FAULT = "saved after a fault"


@dataclass(frozen=True)
class Order:
    """What a run was asked to do: train `base` on `data` as `settings` and `plan` say, and write it to `folder`."""

    base: Trainable
    data: Prepared
    settings: Settings
    plan: Plan
    folder: Path
    schedules_folder: Path | None
    general: TokenBlocks | None = None  # of a text that shows whether the LoRA forgets


class Job:
    """One run of an order.

    In a team of processes each has its own job over its share of the blocks; only the main one writes.
    """

    def __init__(
        self, order: Order, controls: Controls, reports: Reports, memory: RunMemory | None = None, team: Team = ALONE
    ) -> None:
        self.order = order
        self.folder = order.folder
        self.controls = controls
        self.reports = reports
        self.board = reports.board
        self.memory = memory
        self.team = team
        self.agreed = team.share(controls, order.settings)
        self._watchdog: Watchdog | None = None
        self._health: Health | None = None
        self._samples: SampleAnswers | None = None
        self._trainer: LoraTrainer | None = None

    def run(self, continuation: Continuation, live: dict[str, Any], on_top_of: Path | None = None) -> Ending:
        """Train to the end or to a stop; afterwards the adapter files are in `folder`.

        Raises:
            UserError: the run failed in a way a person can act on. Other errors are defects. What was learned up
                to the last update is saved all the same, where the disk allows.
        """
        self._work = work_of(self.order.base, self.order.settings, self.order.data, self.order.plan)
        attached = self._attach(on_top_of)
        order, base = self.order, self.order.base.model
        fill = pad_id(order.base.tokenizer, embedding_rows(base))
        task = Task(order.settings, order.plan, attached.model, order.data, fill, order.folder, order.schedules_folder)
        meter = Meter(self.agreed, self.reports.history, self.board.point)
        measured = self._fit_memory()
        fresh = on_top_of is None and not continuation.update
        behaviours = Behaviours(self._behaviours(meter, measured, fresh), self.reports.note)
        trainer = self._trainer = LoraTrainer(task, behaviours, self.reports, self.agreed, self.team)
        if self.memory is not None:
            trainer.blocks_at_once(self.memory.at_once)
            trainer.runner.ways_out, trainer.runner.options = self.memory.ways_out(self._longest_tokens)
            trainer.runner.checkpoint_more = self.memory.checkpoint_more
        trainer.runner.masked = trainer.evaluation.masked = trainer.sharded or needs_mask(base)
        checkpoint = continuation.checkpoint
        state = {**continuation.state, "live": live}
        if checkpoint is not None:
            if trainer.is_fsdp_enabled:
                load_weights(attached, checkpoint)
            trainer.continue_from(checkpoint, state)
        elif continuation.update:
            checkpoint = trainer.begin_at(state)
        if checkpoint is not None:
            self.board.change(tokens=meter.tokens_seen)
        try:
            with packed_asked_once():
                return self._train(trainer, checkpoint)
        finally:
            behaviours.each(lambda behaviour: behaviour.close())
            self._remember_speed()

    def _remember_speed(self) -> None:
        """How fast the updates were, for the runs to come."""
        remaining = self.board.remaining
        speed = measured(remaining, self.order.settings.name) if remaining is not None else None
        if speed is not None and self.team.main and self.memory is not None:
            remember_speed(self.memory.cache, self._work, speed)

    # -- before ---------------------------------------------------------------------------------------------------

    def _attach(self, on_top_of: Path | None) -> adapters.Attached:
        """The model with its LoRA, made ready to be trained."""
        model = self.order.base.model
        attached = ready(model, self.order.settings, self.board.note, new_words_of(self.order.base))
        if sharding_note(model):
            self.board.note(sharding_note(model))
        if on_top_of is not None:
            note = load_weights(attached, on_top_of)
            if note:
                self.board.note(note)
        self.board.change(trainable_parameters=attached.trainable_parameters)
        return attached

    @property
    def _longest_tokens(self) -> int:
        return int(self.order.data.train.lengths.max())

    def _fit_memory(self) -> RunMemory | None:
        """Choose the size of micro-batches, how many layers are checkpointed, and what becomes of freed memory; what
        wants to know the updates' peaks.

        Where freed memory is kept, peaks tell nothing of what an update needs.
        """
        memory = self.memory
        if memory is None:
            return None
        said = memory.begin(self.order.plan.batch_size, self._longest_tokens)
        memory.checkpoint(self.order.base.model)
        if said:
            self.reports.note(said)
        if memory.work.device != "cpu":
            return memory
        if memory.plentiful(self._longest_tokens):
            keep_freed_memory()
            return None
        give_freed_memory_back()
        return memory

    def _behaviours(self, meter: Meter, measured: RunMemory | None, fresh: bool) -> list[Behaviour]:
        """In the order in which they are called."""
        settings, controls = self.order.settings, self.agreed
        self._watchdog = Watchdog(meter)
        self._health = Health(self.reports.warn, fresh)
        at_loss = StopAtLoss(controls, meter, self.reports.note)
        found: list[Behaviour] = [
            EpochOrder(),
            Pause(controls, self._paused),
            LearningRateScale(controls, lambda: at_loss.rate_share),
            meter,
            self._watchdog,
            self._health,
            Overflow(self.reports.note),
            *(self._watching(meter) if self.team.main else []),
            at_loss,
            StopAtEpoch(controls),
            Checkpoints(settings, controls, meter),
        ]
        if spread() == "copies":
            found.append(Untaught(self.reports.note))
        if self.order.data.eval is not None:
            found.append(Evaluate(settings))
        if self.order.general is not None and len(self.order.general) and spread() == "copies":
            found.append(Forgetting(settings.eval_steps, self.reports.history, self._general_loss, self.reports.note))
        if measured is not None:
            device = self.order.base.model.get_input_embeddings().weight.device
            found.append(MemoryPeak(device, measured.learn))
        return found

    def _watching(self, meter: Meter) -> list[Behaviour]:
        """What only watches; a run continues without it."""
        settings = self.order.settings
        scalars = scalars_behaviour(settings, self.folder, meter)
        found: list[Behaviour] = [] if scalars is None else [scalars]
        if spread() != "copies":
            self.board.note("Sample prompts are not answered while the model is sharded over several devices.")
            return found
        self._samples = SampleAnswers(settings, self.controls, self.reports.history, self._answer, self.reports.warn)
        return [*found, self._samples]

    # -- training and what it ends with -----------------------------------------------------------------------------

    def _train(self, trainer: LoraTrainer, checkpoint: Path | None) -> Ending:
        self.board.remaining = expected_of(self.order.settings, self.order.data, self.order.plan)
        self.board.phase("training")
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
            ending = self._judged(trainer.ending or Ending("finished", "all updates are done"))
            self.agreed.end(ending.reason)
        except NothingLeft:
            ending = trainer.ending or Ending("finished", "all updates are done")
        except Interrupted:
            ending = Ending("interrupted", self.agreed.interrupt_reason)
        except Diverged as error:
            return self._fall_back(trainer, error)
        except BaseException:
            self._rescue(trainer)
            raise
        self._save_end(trainer, ending)
        return ending

    def _judged(self, ending: Ending) -> Ending:
        """The ending, or that of a run that went wrong, as the main process knows."""
        verdicts = [part.verdict for part in (self._health, self._samples) if part is not None and part.verdict]
        verdict = str(self.team.gather(" ".join(verdicts))[0])
        if not verdict:
            return ending
        return Ending("wrong", f"{verdict} {_CALMER}. (The run ended because {ending.reason}.)", _CALMER_OPTIONS)

    def _save_end(self, trainer: LoraTrainer, ending: Ending) -> None:
        """The adapter; for a run that ended early also a checkpoint to continue from, for others if it is wanted."""
        if ending.kind != "finished" or self.order.settings.save_at_end:
            reasons = {"finished": "end of the run", "wrong": "end of a run that went wrong"}
            self._save_checkpoint(trainer, reasons.get(ending.kind, ending.reason))
        self._save_adapter(trainer)

    def _save_checkpoint(self, trainer: LoraTrainer, reason: str) -> None:
        update = trainer.update
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
                "Out of memory while saving the LoRA; close other programs and resume the run from its newest "
                "checkpoint."
            )

    def _write_adapter(self, trainer: LoraTrainer) -> None:
        with said_plainly(self.folder / WEIGHTS_FILE), files_into(self.folder) as staging:
            adapters.save_adapter(trainer.model, staging)
            if new_words_of(self.order.base).pieces:
                self.order.base.tokenizer.save_pretrained(staging)

    def _fall_back(self, trainer: LoraTrainer, error: Diverged) -> Ending:
        """Training went wrong: the result is the last checkpoint that is known to be good."""
        good_until = min((part.good_until for part in (self._watchdog, self._health) if part is not None), default=0)
        good = next((c for c in newest_first(self.folder) if c.loadable and c.update < good_until), None)
        if good is not None:
            self._copy_adapter(good)
            kept = f"The LoRA is that of {good.path.name}."
        else:
            self._save_adapter(trainer)
            kept = "There was no good checkpoint to go back to: the LoRA is that of the last update."
        return Ending(
            "wrong",
            f"{error} {kept} {error.advice or _CALMER}.",
            ("--dtype bfloat16",) if error.advice else _CALMER_OPTIONS,
        )

    def _copy_adapter(self, checkpoint: CheckpointInfo) -> None:
        if not self.team.main:
            return
        self.board.phase("saving")
        with files_into(self.folder) as staging:
            for name in (CONFIG_FILE, WEIGHTS_FILE):
                shutil.copyfile(checkpoint.path / name, staging / name)

    def _rescue(self, trainer: LoraTrainer) -> None:
        """Save what was learned before a fault, as far as that is possible; people read of the fault itself."""
        if trainer.update == 0 or not self.team.main:
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

    # -- asked by the parts -----------------------------------------------------------------------------------------

    def _paused(self, paused: bool) -> None:
        self.board.phase("paused" if paused else "training")

    def _answer(self, model: Any, prompt: str) -> Said:
        with self.board.during("sampling"):
            tokens = self.order.settings.sample_tokens
            return measured_answer(model, self.order.base.tokenizer, prompt, tokens, self._ending_asked)

    def _general_loss(self, without: bool) -> float:
        trainer, general = self._trainer, self.order.general
        assert trainer is not None and general is not None
        with self.board.during("evaluating", FORGETTING), trainer.model.disable_adapter() if without else nullcontext():
            return trainer.measured(general)

    def _ending_asked(self) -> bool:
        return bool(self.controls.interrupt_reason)
