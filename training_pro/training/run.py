"""A run from Start to the host having its model back: a thread, a status, controls, and one way for it to end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_pro.data.prepare import Prepared
from training_pro.errors import Cancelled, ModelError, RunError, UserError, explain, options_of, without_traces
from training_pro.plan import Plan
from training_pro.progress import Progress
from training_pro.record import state as states
from training_pro.record.adapter_files import check_rank
from training_pro.record.aside import keep_aside, put_back
from training_pro.record.checkpoints import weights_in
from training_pro.record.history import HISTORY_FILE, Event, History
from training_pro.record.lock import FolderLock, lock_folder
from training_pro.record.log import losses
from training_pro.record.runs import SETTINGS_FILE, is_untouched
from training_pro.record.whole_files import make_folder, remove_folder, sweep_temporaries, write_whole
from training_pro.settings import Settings, to_dict, to_json
from training_pro.training.awake import awake
from training_pro.training.controls import STOPPED_BY_YOU, Controls
from training_pro.training.further import (
    FREE_IN_A_NEW_PART,
    as_a_new_part,
    begins_at,
    find_part,
    part_sentence,
    reached,
)
from training_pro.training.general_text import general_blocks, general_text
from training_pro.training.kept_texts import keep_texts
from training_pro.training.model.new_words import with_new_words
from training_pro.training.notify import tell_in_background
from training_pro.training.owner import ModelOwner, Trainable
from training_pro.training.planning import plan_run, rates_of
from training_pro.training.results import Story, write_results
from training_pro.training.resume import (
    FREE_TO_CHANGE,
    Begin,
    Continuation,
    check_same,
    check_same_data,
    continued_from,
    data_parts,
    find_continuation,
    live_values,
    remember_start,
    remembered_start,
    stored_processes,
    stored_settings,
)
from training_pro.training.several.sharding import spread
from training_pro.training.several.team import ALONE, Team, TeamLost
from training_pro.training.status import Ending, RunStatus, StatusBoard
from training_pro.words import reason_of, time_words

logger = logging.getLogger(__name__)


Prepare = Callable[[Settings, Trainable, Progress], Prepared]


class Run:
    """One run in a thread of its own, or one process's part of it.

    Guarantees: whatever happens, `status.ending` is set, the host has its model back as it was, and `folder`
    says how the run ended.
    """

    def __init__(
        self,
        owner: ModelOwner,
        settings: Settings,
        folder: Path,
        prepare: Prepare,
        begin: Begin,
        team: Team = ALONE,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.controls = Controls(settings)
        self.begin = begin
        self.history: History | None = None
        self.loaded: Trainable | None = None
        self.fault: BaseException | None = None  # what made the run fail
        self._owner = owner
        self._prepare = prepare
        self._team = team
        self._board = StatusBoard(settings.name, folder)
        self._state: states.RunState | None = None
        self._lock: FolderLock | None = None
        self._aside: Path | None = None  # where an older LoRA of this name is now
        self._ended = threading.Event()
        self._told: tuple[Trainable, Prepared, Plan] | None = None
        self._thread = threading.Thread(target=self._work, name=f"training {settings.name}", daemon=True)

    @property
    def status(self) -> RunStatus:
        """The run as it is now; may be asked for by any thread at any time."""
        return self._board.status

    def note(self, sentence: str) -> None:
        """Something the person should know, before the run starts."""
        self._board.note(sentence)

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float | None = None) -> RunStatus:
        """Wait until the run has ended, at most `seconds`; also for one that is just about to start."""
        self._ended.wait(seconds)
        return self.status

    def sentence(self) -> str:
        """The answer to whoever asks the model something during the run."""
        status = self.status
        if status.phase in ("waiting", "preparing", "loading") or status.plan is None:
            return f'The model is being prepared for training "{status.name}". It answers again after the run.'
        left = f", about {time_words(status.remaining_s)} left" if status.remaining_s is not None else ""
        return (
            f'The model is in training ("{status.name}", update {status.update} of {status.total_updates}{left}). '
            "It answers again after the run."
        )

    # -- the work, in the run's own thread ----------------------------------------------------------------------

    def _work(self) -> None:
        try:
            ending = self._run()
        except Cancelled:
            ending = Ending("interrupted", self.controls.interrupt_reason or STOPPED_BY_YOU)
        except TeamLost as lost:
            ending = Ending("interrupted", lost.reason) if lost.kind == "interrupted" else Ending("failed", str(lost))
        except BaseException as error:  # noqa: BLE001 - the thread's last stop: everything becomes an ending
            ending = _failed(error, f"training {self.settings.name}")
            self.fault = without_traces(error)
        self._close(ending)
        self._put_back(ending)
        if self._lock is not None:
            self._lock.release()
        self._team.leave(ending.kind, ending.reason)
        self.loaded = self._told = None
        _free_memory()
        self._end(ending, tells=self._team.main)

    def _end(self, ending: Ending, *, tells: bool) -> None:
        """The very last step: the ending can be seen, others are told of it where the settings say so, and whoever
        waits continues."""
        self._board.change(phase="ended", ending=ending, remaining_s=0.0)
        if tells and self.settings.tell_when_it_ends:
            tell_in_background(self._owner.folders, self.status, self._board.note)
        self._ended.set()

    def _run(self) -> Ending:
        with self._owner.hold(self.sentence), awake(self.settings.keep_awake, self._board.note):
            self._board.phase("loading")
            loaded = self.loaded = with_new_words(self._owner.trainable_model(), self.settings.new_words)
            self._board.phase("preparing")
            with self._team.main_first():  # what it has prepared, the others find in the cache
                prepared = self._prepare(self.settings, loaded, self._progress)
            self._board.phase("preparing")  # the count of what is done by now goes
            self._check_alike(prepared, loaded)
            begins = self._begins_at()
            plan = plan_run(self.settings, prepared, self._owner.folders.schedules, self._team.size, begins)
            for note in plan.notes:
                self._board.note(note)
            self._board.change(plan=plan)
            check_installed(self.settings, loaded)
            self._check_vocabulary(loaded, prepared)
            return self._train(loaded, prepared, plan)

    def _begins_at(self) -> int:
        """The update at which the part of the run to be trained now begins, as the main process finds it."""
        begins = 0
        if self._team.main and self.begin.continue_exactly:
            begins = reached(self.folder).update if self.begin.further else begins_at(self.folder)
        return int(self._team.gather(begins)[0])

    def _progress(self, done: int, total: int, what: str) -> None:
        if self.controls.interrupt_reason:
            raise Cancelled
        self._board.progress(done, total, what)

    def _check_alike(self, prepared: Prepared, loaded: Trainable) -> None:
        """Raises:
        RunError: a process of the run would train on other data or another model.
        """
        own = [loaded.label, loaded.quantization, len(prepared.train), prepared.fingerprint, to_dict(self.settings)]
        for rank, theirs in enumerate(self._team.gather(own)):
            if theirs != own:
                what = "model" if theirs[:2] != own[:2] else "data" if theirs[:4] != own[:4] else "settings"
                raise RunError(
                    f"Process {rank} of this run has another {what} than process {self._team.rank}; give all machines "
                    "the same settings, model folder and user data."
                )

    def _check_vocabulary(self, loaded: Trainable, prepared: Prepared) -> None:
        """Raises:
        ModelError: the model has no embedding for a token of the data.
        """
        from training_pro.training.model.vocabulary import vocabulary_fault

        fault = vocabulary_fault(loaded, prepared.train, prepared.eval)
        if fault:
            raise ModelError(fault)

    def _train(self, loaded: Trainable, prepared: Prepared, plan: Plan) -> Ending:
        from training_pro.training.job import Job, Order
        from training_pro.training.memory.card_limit import card_limit
        from training_pro.training.memory.run_memory import RunMemory
        from training_pro.training.model.deterministic import deterministic
        from training_pro.training.model.snapshot import ModelSnapshot
        from training_pro.training.reports import Reports

        memory = RunMemory.of(loaded, self.settings, self._owner.folders.cache)
        text = general_text(self.settings, self._owner.folders)
        general = general_blocks(text, loaded.tokenizer, loaded.max_tokens) if text else None
        continuation, live, start = self._begin(prepared, plan, loaded)
        assert self.history is not None
        for note in plan.notes if continuation.update == 0 else ():
            self.history.add_event(Event("note", 0, note))
        snapshot = ModelSnapshot.take(loaded.model)
        order = Order(loaded, prepared, self.settings, plan, self.folder, self._owner.folders.schedules, general)
        reports = Reports(self._board, self.history, self.settings.keep_checkpoints)
        job = Job(order, self.controls, reports, memory, self._team)
        self._told = (loaded, prepared, plan)
        device = loaded.model.get_input_embeddings().weight.device
        try:
            with card_limit(device), deterministic(self.settings.deterministic, device):
                return job.run(continuation, live, start)
        finally:
            del job
            self._board.phase("restoring")
            if spread() == "copies":  # a sharded model is never the host's
                snapshot.restore()

    def _begin(
        self, prepared: Prepared, plan: Plan, loaded: Trainable
    ) -> tuple[Continuation, dict[str, Any], Path | None]:
        """Where the run continues and its first weights, as the main process finds them."""
        if self._team.main:
            continuation, live, start = self._open_folder(prepared, plan, loaded)
            checkpoint = continuation.checkpoint
            self._team.gather([checkpoint and checkpoint.name, continuation.state, live, start and str(start)])
            return continuation, live, start
        name, state, live, weights = self._team.gather(None)[0]
        continuation = Continuation(self.folder / name if name else None, state)
        self.history = History.unwritten(self.folder / HISTORY_FILE, continuation.update)
        return continuation, live, Path(weights) if weights else None

    def _open_folder(
        self, prepared: Prepared, plan: Plan, loaded: Trainable
    ) -> tuple[Continuation, dict[str, Any], Path | None]:
        """Make or take over the run's folder; nothing is written or moved before it is certain that the run can start.

        Gives the place to continue from, the live values there, and the folder of the first weights, if any.
        """
        self._lock = lock_folder(self.folder)
        continuation, live = self._continuation(prepared, loaded)
        start = self._start_weights(continuation)
        make_folder(self.folder)
        sweep_temporaries(self.folder.parent)  # also what a killed run of another name has left
        if start is not None and not continuation.update:
            remember_start(self.folder, start)
        write_whole(self.folder / SETTINGS_FILE, to_json(self.settings))
        keep_texts(self.folder, self.settings, prepared, loaded.tokenizer, self._owner.folders)
        self._state = states.starting_state(
            plan.total_updates, loaded.label, states.values_digest(to_dict(self.settings)), prepared.fingerprint
        ).changed(
            quantization=loaded.quantization,
            data_parts=data_parts(prepared),
            processes=self._team.size,
            begins_at=plan.begins_at,
        )
        states.write_state(self.folder, self._state)
        self.history = History.open(self.folder / HISTORY_FILE, resume_at=continuation.update)
        if len(self.history.points):
            self._board.change(point=self.history.points[-1])
        if start is not None and not continuation.update:
            self.history.add_event(Event("note", 0, f"started from the weights in {start}"))
        self._note_beginning(continuation, plan)
        return continuation, live, start

    def _note_beginning(self, continuation: Continuation, plan: Plan) -> None:
        assert self.history is not None
        begins = 0 < continuation.update == plan.begins_at
        known = any(event.kind == "part" and event.update == plan.begins_at for event in self.history.events)
        if begins and not known:
            curve = rates_of(self.settings, plan, self._owner.folders.schedules)
            said = part_sentence(plan, continuation, curve, self.settings.learning_rate)
            self.history.add_event(Event("part", plan.begins_at, said))
            self._board.note(said)
        elif continuation.checkpoint is not None:
            self.history.add_event(Event("note", continuation.update, f"continued from {continuation.checkpoint.name}"))
            self._board.note(continued_from(continuation.checkpoint))
        if continuation.checkpoint is not None:
            self._note_processes(int(continuation.state.get("processes", 1)))

    def _note_processes(self, before: int) -> None:
        now = self._team.size
        if before != now:
            self._board.note(
                f"Continued in {now} process{'es' if now > 1 else ''} instead of {before}: the same blocks in each "
                "update, but dropout and NEFTune draw other random numbers."
            )

    def _continuation(self, prepared: Prepared, loaded: Trainable) -> tuple[Continuation, dict[str, Any]]:
        """Where to continue, and the live values there.

        Raises:
            RunError: settings, data, tokenizer or model are not those of the run.
        """
        if not self.begin.continue_exactly:
            return Continuation(None, {}), {}
        processes = (stored_processes(self.folder), self._team.size)
        free = FREE_IN_A_NEW_PART if self.begin.further else FREE_TO_CHANGE
        check_same(stored_settings(self.folder), self.settings, processes, free)
        state = states.read_state(self.folder)
        if state is not None:
            self._check_same_base(state, prepared, loaded)
        if self.begin.further:
            return find_part(self.folder, self.settings)
        continuation = find_continuation(self.folder, self.begin.checkpoint_update)
        if state is not None and continuation.update < state.begins_at:
            raise RunError(
                f"The checkpoint of update {state.begins_at}, from which the run was trained further, is gone. Train "
                "on top of its weights.",
                option="--existing on-top",
            )
        if continuation.checkpoint is None:
            return continuation, {}
        if state is not None and 0 < continuation.update == state.begins_at:
            continuation = as_a_new_part(continuation)
        was_stopped = state is not None and state.state == "stopped"
        return continuation, live_values(continuation.state, self.settings, settings_win=was_stopped)

    def _start_weights(self, continuation: Continuation) -> Path | None:
        """Keep an older LoRA of this name aside if asked to; the folder whose weights the run starts from, if any."""
        begin = self.begin
        if begin.continue_exactly and continuation.update and continuation.checkpoint is None:
            return weights_in(self.folder)
        if begin.continue_exactly:
            return remembered_start(self.folder) if continuation.checkpoint is None else None
        if is_untouched(self.folder):
            return begin.on_top_of
        if begin.on_top:
            check_rank(weights_in(self.folder), self.settings.rank)  # raises before anything is moved
            self._aside = keep_aside(self._owner.folders, self.folder)
            return weights_in(self._aside)
        if not begin.replace:
            raise RunError(
                f'A LoRA named "{self.settings.name}" exists by now. Choose another name.', option="--set name=NAME"
            )
        self._aside = keep_aside(self._owner.folders, self.folder)
        return begin.on_top_of

    def _put_back(self, ending: Ending) -> None:
        """A run that ended before its first update leaves the LoRA that it was to replace where it was."""
        if self._aside is None or self.status.update > 0 or ending.kind not in ("failed", "wrong", "interrupted"):
            return
        try:
            remove_folder(self.folder)
            put_back(self._owner.folders, self._aside)
            self._board.note(f'The older LoRA "{self.settings.name}" is in its place again.')
        except RunError as error:
            self._board.note(str(error))

    def _check_same_base(self, state: states.RunState, prepared: Prepared, loaded: Trainable) -> None:
        """Raises:
        RunError: the data, the tokenizer or the model is not what the run was started with.
        """
        name = self.settings.name
        before, now = (state.base_model, state.quantization), (loaded.label, loaded.quantization)
        if state.base_model and before != now:
            raise RunError(
                f'The run "{name}" can\'t be resumed exactly: it trains {_model_words(*before)}, and '
                f"{_model_words(*now)} is loaded. Load that one, or train on top of its weights."
            )
        if note := check_same_data(name, state, prepared):
            self._board.note(note)

    def _close(self, ending: Ending) -> None:
        """Say in the folder how the run ended; a fault here must not hide the run's own."""
        if not self._team.main:
            return
        for write in (self._write_results, self._write_state):
            try:
                write(ending)
            except Exception as error:  # noqa: BLE001 - a run must reach its end
                self._board.note(explain(error, "writing how the run ended"))

    def _write_results(self, ending: Ending) -> None:
        if self.history is None or self._told is None:
            return
        loaded, prepared, plan = self._told
        status = self.status
        self.history.add_event(Event("end", status.update, ending.reason, {"kind": ending.kind}))
        story = Story(
            self.settings,
            ending,
            self.history.data(),
            plan,
            prepared.report,
            self._state,
            status.trainable_parameters,
            status.tokens,
        )
        for note in write_results(self.folder, story, loaded):
            self._board.note(note)

    def _write_state(self, ending: Ending) -> None:
        if self.history is not None:
            self.history.close()
        if self._state is not None:
            point = self.status.point
            state = self._state.changed(
                update=self.status.update,
                last_loss=point.smoothed_loss if point is not None else None,
                best_eval_loss=losses(self.history.points)["best_eval_loss"] if self.history is not None else None,
            )
            states.write_state(self.folder, state.ended(ending.kind, ending.reason))


def check_installed(settings: Settings, loaded: Trainable) -> None:
    """Raises:
    SettingsError: an optimizer or a kind of log that does not work here.
    """
    from training_pro.training.behaviours.tensorboard_wandb import check_report
    from training_pro.training.loop.optimizers import check_optimizer

    check_optimizer(settings.optimizer, loaded.model.get_input_embeddings().weight.device.type)
    check_report(settings.report_to)


def _failed(error: BaseException, doing: str) -> Ending:
    """The ending for `error`; that memory ran out is no defect, wherever it happened."""
    from training_pro.training.memory.out_of_memory import is_out_of_memory
    from training_pro.training.model.deterministic import not_deterministic

    if not_deterministic(error):
        return Ending("failed", not_deterministic(error), ("--set deterministic=off",))
    if isinstance(error, UserError) or not is_out_of_memory(error):
        return Ending("failed", explain(error, doing), options_of(error))
    logger.warning("Out of memory while %s", doing, exc_info=error)
    reason = reason_of(error)
    return Ending(
        "failed",
        f"Out of memory while {doing} ({reason}); close other programs, lower the True Batch Size or the Maximum "
        "context length, or load the model in 4-bit. The run can be resumed from its newest checkpoint.",
        ("--set batch_size=NUMBER", "--set max_tokens=NUMBER", "--quantization 4-bit"),
    )


def _free_memory() -> None:
    """Late, because what failed is referred to by its trace until the thread's last stop."""
    from training_pro.training.memory.in_use import return_freed_memory
    from training_pro.training.memory.out_of_memory import free_memory

    free_memory()
    return_freed_memory()


def _model_words(label: str, quantization: str) -> str:
    return f"{label} ({quantization})" if quantization not in ("", "none") else label
