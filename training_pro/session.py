"""The one long-lived object: the host and the run it holds. Pages and the command line only talk to this.

It outlives pages and a host that loads its extensions again: `current_session` keeps it in this module.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from training_pro.asking.job import AskJob
from training_pro.asking.question import Question
from training_pro.data.prepare import Prepared, prepare
from training_pro.data.rendering.formats import ship_formats
from training_pro.data.sources import files_state
from training_pro.data.verify import Verification, verify
from training_pro.errors import (
    AlreadyFinished,
    BusyError,
    Fault,
    ModelError,
    NameTaken,
    RunError,
    SettingsError,
    UserError,
    faults_of,
)
from training_pro.folders import Folders
from training_pro.hosts.host import Host, without_loras
from training_pro.perplexity import Measuring, PerplexityJob
from training_pro.plan import Plan
from training_pro.progress import Progress, no_progress
from training_pro.questions import Asking, QuestionsJob
from training_pro.queue.kept_list import KeptList
from training_pro.queue.run_queue import RunQueue
from training_pro.record.names import check_name, run_folder
from training_pro.record.process import this_process
from training_pro.record.runs import RunSummary, is_untouched, summarize
from training_pro.record.speeds import remember_speed
from training_pro.record.state import read_state
from training_pro.remote.channel import channel_folder, channels, read_live, sweep
from training_pro.remote.launching import OwnProcess
from training_pro.remote.own_process import OwnProcessRun
from training_pro.remote.page_side import RemoteRun
from training_pro.remote.snapshot import Live
from training_pro.remote.trainer_side import Steering
from training_pro.settings import Settings
from training_pro.training.checks import early_faults, name_faults
from training_pro.training.further import (
    FREE_IN_A_NEW_PART,
    begins_at,
    check_further,
    find_part,
    part_sentence,
    reached,
    resumes_a_part,
    stops_moved,
)
from training_pro.training.learning_rate import check_schedule
from training_pro.training.model.new_words import with_new_words
from training_pro.training.model.vocabulary import vocabulary_fault
from training_pro.training.owner import Trainable
from training_pro.training.pace import Pace, pace_at, pace_of
from training_pro.training.planning import plan_for, rates_of
from training_pro.training.resume import (
    Begin,
    check_same,
    check_same_data,
    continued_from,
    differences,
    find_continuation,
    stored_processes,
    stored_settings,
)
from training_pro.training.run import Run, check_installed
from training_pro.training.several.team import ALONE, Team
from training_pro.training.start_from import start_folder, started_from

if TYPE_CHECKING:
    from training_pro.training.memory.forecast import Forecast
    from training_pro.training.memory.largest_batch import Found
    from training_pro.training.model.targets import Targets

logger = logging.getLogger(__name__)

SEEKING = "The model is in use: settings are being tried out on it. Wait until that has finished, or cancel it."
Existing = Literal["ask", "continue", "further", "replace", "on top", "refuse"]


@dataclass(frozen=True)
class Checked:
    """Data prepared for settings, the plan of the run over it, and what there is to say about both.

    `memory` and `targets` are None while the model is in use or carries a LoRA.
    """

    prepared: Prepared
    plan: Plan
    verification: Verification
    memory: Forecast | None = None
    targets: Targets | None = None
    pace: Pace | None = None


class Session:
    """The host, its current (or last) run, and the queue of those to come; at most one run at a time.

    Every method may be called from any thread. `queue_file` keeps the queue's list; without one it lives in memory.
    """

    def __init__(self, host: Host, queue_file: Path | None = None, *, writes: bool = True, team: Team = ALONE) -> None:
        """`writes` False: for looking only; nothing is written anywhere, not even to the cache."""
        self.host = host
        self.queue = RunQueue(self, KeptList(queue_file))
        self._team = team
        self._writes = writes
        if writes:
            with suppress(OSError):  # a folder that can't be written: the shipped formats are offered all the same
                ship_formats(host.folders.formats)
        self.runs_by_name = False  # how pages list runs and LoRAs; else the newest first
        self.watched = False  # whether a page in another process has started this one and reads the result
        self._steering: Steering | None = None
        self._run: Run | None = None
        self._measuring: PerplexityJob | None = None
        self._asking: AskJob | None = None
        self._questions: QuestionsJob | None = None
        self._seeking = False
        self._lock = threading.Lock()

    @property
    def run(self) -> Run | None:
        """The run in progress, or the last one."""
        return self._run

    @property
    def last_place(self) -> OwnProcess | None:
        """Where the current or last run trains; None for this process."""
        return self._run.where if isinstance(self._run, OwnProcessRun) else None

    @property
    def busy(self) -> bool:
        """Whether a run is in progress, or the queue is between two."""
        return self.queue.going or (self._run is not None and self._run.status.running)

    @property
    def measuring(self) -> PerplexityJob | None:
        """The measurement of perplexity in progress, or the last one."""
        return self._measuring

    @property
    def asking(self) -> AskJob | None:
        """The question in progress, or the last one."""
        return self._asking

    @property
    def questions(self) -> QuestionsJob | None:
        """The writing of questions in progress, or the last one."""
        return self._questions

    def occupied(self) -> str:
        """What holds the model now, as a sentence; "" for nothing of ours."""
        if self._run is not None and self._run.status.running:
            return f'The run "{self._run.settings.name}" is in progress. Wait until it has finished, or interrupt it.'
        for job in (self._measuring, self._asking, self._questions):
            if job is not None and job.status.running:
                return job.sentence()
        return SEEKING if self._seeking else ""

    # -- before a run ---------------------------------------------------------------------------------------------

    def data_state(self, settings: Settings) -> object:
        """What a check depends on besides `settings`: the model and the files. Equal: it would find the same."""
        return self.host.model_label(), files_state(settings, self.host.folders)

    def check(self, settings: Settings, progress: Progress = no_progress, existing: Existing = "ask") -> Checked:
        """Prepare the data of `settings` with the host's tokenizer and say what a run over it will be; with `existing`
        "further" what the new part of the run of that name will be.

        Raises:
            UserError: no model, bad data, bad settings; each with the way out.
        """
        loaded = with_new_words(self._loaded(), settings.new_words)
        settings, taken = started_from(settings, self.host.folders)
        prepared = self._prepared(settings, loaded, progress)
        check_schedule(settings.lr_scheduler_type, self.host.folders.schedules, prepared.eval is not None)
        begins = self._begins_at(settings, existing)
        plan = plan_for(settings, len(prepared.train), self.host.folders.schedules, self._team.size, begins)
        rates = rates_of(settings, plan, self.host.folders.schedules)
        verification = verify(prepared, settings, plan, rates, progress)
        verification = replace(verification, notes=(*taken, *verification.notes))
        pace = pace_of(loaded, settings, prepared, plan, self.host.folders.cache)
        unknown = vocabulary_fault(loaded, prepared.train, prepared.eval)
        if unknown:
            verification = replace(verification, refusals=(*verification.refusals, Fault(unknown)))
        checked = Checked(prepared, plan, verification, pace=pace)
        if self.occupied() or self.host.loras_in_use():
            return checked
        return self._with_memory(checked, settings, loaded)

    def _begins_at(self, settings: Settings, existing: Existing) -> int:
        """The update at which a run that is trained further begins its new part; 0 for any other."""
        if existing != "further":
            return 0
        folder = run_folder(self.host.folders, settings.name)
        return begins_at(folder) if resumes_a_part(folder, settings) else reached(folder).update

    def _with_memory(self, checked: Checked, settings: Settings, loaded: Trainable) -> Checked:
        """`checked` with the forecast; a model that can't be trained as set is one more refusal."""
        from training_pro.training.memory.run_memory import RunMemory
        from training_pro.training.model.adapter import target_notes, targets_of

        verification = checked.verification
        try:
            memory = RunMemory.of(loaded, settings, self.host.folders.cache)
            targets = targets_of(loaded.model, settings)
        except ModelError as error:
            refusals = (*verification.refusals, *faults_of(error))
            return replace(checked, verification=replace(verification, refusals=refusals))
        longest = int(checked.prepared.train.lengths.max())
        notes = (*verification.notes, *target_notes(targets, settings, loaded.quantization))
        return replace(
            checked,
            verification=replace(verification, notes=notes),
            memory=memory.forecast(checked.plan.batch_size, longest),
            targets=targets,
        )

    def largest_batch_size(self, settings: Settings, progress: Progress = no_progress) -> Found:
        """The largest True Batch Size that these settings can train with, found by real updates; see
        `training_pro.training.memory.largest_batch`. Holds the model as a run does and gives it back as it was.

        Raises:
            UserError: the model is in use, bad data or settings, or not even one block fits.
            Cancelled: from `progress`.
        """
        from training_pro.training.memory.largest_batch import find_largest
        from training_pro.training.memory.run_memory import RunMemory

        with self._seeking_on_model(settings) as loaded:
            prepared = self._prepared(settings, loaded, progress)
            memory = RunMemory.of(loaded, settings, self.host.folders.cache)
            return find_largest(loaded, prepared.train, settings, memory, progress)

    def measure_speed(self, settings: Settings, progress: Progress = no_progress) -> Pace:
        """How long the run of these settings would take, by some real updates, which later checks know too. Holds the
        model as a run does and gives it back as it was.

        Raises:
            UserError: the model is in use, bad data or settings, or not even one block fits.
            Cancelled: from `progress`.
        """
        from training_pro.training.memory.run_memory import RunMemory
        from training_pro.training.pace import work_of
        from training_pro.training.speed_trial import speed_by_trial

        cache = self.host.folders.cache
        with self._seeking_on_model(settings) as loaded:
            prepared = self._prepared(settings, loaded, progress)
            plan = plan_for(settings, len(prepared.train), self.host.folders.schedules, self._team.size)
            work, memory = work_of(loaded, settings, prepared, plan), RunMemory.of(loaded, settings, cache)
            speed = speed_by_trial(loaded, prepared, settings, plan, memory, progress)
            if self._writes:
                remember_speed(cache, work, speed)
            return pace_at(speed, settings, prepared, plan)

    @contextmanager
    def _seeking_on_model(self, settings: Settings) -> Iterator[Trainable]:
        """The model, held for a trial of these settings.

        Raises:
            UserError: it is in use, or the settings can't be tried.
        """
        check_sources(settings)
        with self._unoccupied():
            self._seeking = True
        try:
            with without_loras(self.host), self.host.hold(lambda: SEEKING):
                loaded = with_new_words(self.host.trainable_model(), settings.new_words)
                check_installed(settings, loaded)
                yield loaded
        finally:
            self._seeking = False

    def vet(self, settings: Settings) -> list[Fault]:
        """Everything that refuses a run with these settings, except for its name; prepares the data.

        Without a model only what needs none is checked.
        """
        try:
            check_sources(settings)
            if not self.host.model_label():
                return []
            check_installed(settings, self._loaded())
            return list(self.check(settings).verification.refusals)
        except UserError as error:
            return faults_of(error)

    def _loaded(self) -> Trainable:
        """The model whose tokenizer prepares data: also while a run holds it, or a LoRA is on it."""
        run = self._run
        if run is not None and run.status.running and run.loaded is not None:
            return run.loaded
        if isinstance(run, OwnProcessRun) and run.status.running:
            raise BusyError(run.sentence())
        for job in (self._measuring, self._questions):
            if job is not None and job.status.running:
                raise RunError(job.sentence())
        return self.host.loaded_model()

    def _prepared(self, settings: Settings, loaded: Trainable, progress: Progress) -> Prepared:
        return prepare(
            settings,
            loaded.tokenizer,
            self.host.folders,
            model_max_tokens=loaded.max_tokens,
            progress=progress,
            cache=self._writes,
        )

    def check_start(self, settings: Settings, existing: Existing) -> None:
        """Raises:
        RunError: what refuses `start`, as far as names and folders go; nothing is written.
        """
        self._begin(started_from(settings, self.host.folders)[0], existing)

    def beginning(self, settings: Settings, existing: Existing, checked: Checked) -> str:
        """Where a continued run would begin, as a sentence; "" for a new one.

        Raises:
            RunError: as `check_start`, or the data of `checked` is not that of the run.
        """
        settings, _ = started_from(settings, self.host.folders)
        begin = self._begin(settings, existing)
        if not begin.continue_exactly:
            return ""
        folder = run_folder(self.host.folders, settings.name)
        state = read_state(folder)
        note = check_same_data(settings.name, state, checked.prepared) if state is not None else ""
        if begin.further:
            curve = rates_of(settings, checked.plan, self.host.folders.schedules)
            part, _ = find_part(folder, settings)
            return f"{part_sentence(checked.plan, part, curve, settings.learning_rate)} {note}".strip()
        checkpoint = find_continuation(folder).checkpoint
        return f"{continued_from(checkpoint)} {note}".strip()

    def measure(self, measuring: Measuring) -> PerplexityJob:
        """Begin to measure perplexity; the figures go to the kept table as they come.

        Raises:
            UserError: a run or another measurement is in progress, the host is read only, or the sizes make no window.
        """
        from training_pro.training.perplexity import Sliding

        if self.host.multi_user:
            raise RunError("The host runs in multi-user mode, which measures nothing. Start it without that mode.")
        if not measuring.text:
            raise SettingsError(["No text is chosen. Choose one to measure on."])
        Sliding(measuring.context_tokens, measuring.stride)  # raises where the sizes make no window
        with self._unoccupied():
            self._measuring = PerplexityJob(self.host, measuring)
            self._measuring.start()
            return self._measuring

    def ask(self, question: Question) -> AskJob:
        """Begin to answer a question.

        Raises:
            UserError: the model is in use, the host is read only, or the question is none.
        """
        if self.host.multi_user:
            raise RunError("The host runs in multi-user mode, which asks nothing. Start it without that mode.")
        with self._unoccupied():
            job = AskJob(self.host, question)
            self._asking = job
            job.start()
            return job

    def write_questions(self, asking: Asking) -> QuestionsJob:
        """Begin to write questions for a text; they go to its table as they come.

        Raises:
            UserError: a run or other work is in progress, the host is read only, or there is no such text.
        """
        if self.host.multi_user:
            raise RunError("The host runs in multi-user mode, which writes nothing. Start it without that mode.")
        if not asking.text:
            raise SettingsError(["No text is chosen. Choose a Text file."])
        with self._unoccupied():
            self._questions = QuestionsJob(self.host, asking)
            self._questions.start()
            return self._questions

    @contextmanager
    def _unoccupied(self) -> Iterator[None]:
        """Nothing else begins meanwhile. Raises: UserError: the model or the queue is in use."""
        with self._lock:
            self.queue.check_free()
            self._refuse_while_occupied()
            yield

    # -- starting -------------------------------------------------------------------------------------------------

    def start(
        self,
        settings: Settings,
        existing: Existing = "ask",
        *,
        queued: bool = False,
        where: OwnProcess | None = None,
    ) -> Run:
        """Start a run. With `existing` "ask" a taken name raises `NameTaken`, unless Override is on; with "refuse"
        always.

        `queued`: the queue asks, which alone may start a run while it is working. `where`: not in this process but in
        one of its own, for which the host's model makes room. A LoRA on the host's model is taken off, and the run
        says so among its notes.

        Raises:
            RunError: a run or the queue is in progress, here or in another process, a name that can't be used, or one
                that is taken: the LoRA is then still on.
            ModelError: the LoRA can't be taken off now.
        """
        with self._lock:
            if not queued:
                self.queue.check_free()
            self._refuse_while_occupied()
            check_sources(settings)
            name = check_name(settings.name)
            settings, taken = started_from(settings.changed(name=name), self.host.folders)
            begin = self._begin(settings, existing)
            folder = run_folder(self.host.folders, name)
            if where is not None:
                where.check()
            if _speaks():
                self._refuse_elsewhere(folder)
            notes = (*taken, *self._bared())
            if where is not None:
                run: Run = OwnProcessRun(self.host, settings, folder, begin, where)
                self._steering = None
            else:
                run = Run(self.host, settings, folder, self._prepared, begin, self._team)
                self._steering = self._steerable(run) if self._team.main else None
            self._run = run
            self._asking = None  # answers of before would stand beside this run's end as its own
            for sentence in notes:
                run.note(sentence)
            run.start()
            if self._steering is not None:
                self._steering.start()
            return run

    def _bared(self) -> list[str]:
        """Take every LoRA off the host's model; what was taken off, as a sentence."""
        loaded = self.host.loras_in_use()
        if not loaded:
            return []
        self.host.stop_using_loras()
        what = f"LoRA {loaded[0]} was" if len(loaded) == 1 else f"LoRAs {', '.join(loaded)} were"
        return [f"The {what} unloaded: a run needs the bare model."]

    def elsewhere(self) -> list[Live]:
        """The runs in progress in other processes, in the order of their names."""
        running = self._run
        ours = running.folder if running is not None and running.status.running else None
        found = [(channel, read_live(channel)) for channel in channels(self.host.folders.loras)]
        return [
            live for channel, live in found if live is not None and live.alive(channel) and live.status.folder != ours
        ]

    def attach(self, name: str) -> Run:
        """Watch and steer a run of another process, as if it were one of ours.

        Raises:
            RunError: a run is in progress here, or there is none of this name elsewhere.
        """
        with self._lock:
            self._refuse_while_occupied()
            live = next((live for live in self.elsewhere() if live.name == name), None)
            if live is None:
                raise RunError(f"The run {str(name)[:100]!r} has ended in its process. Refresh the list.")
            run = RemoteRun(self.host, live.settings, live.status.folder, Begin())
            self._steering = None
            self._run = run
            run.start()
            return run

    def attach_own(self) -> None:
        """Watch again the run that this host has started in a process of its own before it was restarted."""
        own = [live for live in self.elsewhere() if live.watched]
        if own:
            with suppress(RunError):
                self.attach(own[0].name)

    def leave(self) -> None:
        """Stop watching the run elsewhere; it continues.

        Raises:
            RunError: the run is ours.
        """
        run = self._run
        if type(run) is not RemoteRun:
            raise RunError("The run belongs to this session. Interrupt it, or wait until it has finished.")
        run.leave()
        run.wait(5)

    def _refuse_elsewhere(self, folder: Path) -> None:
        live = read_live(channel_folder(folder))
        # A run of this process that has just ended may not have said so there yet.
        if live is not None and live.process != this_process() and live.alive(channel_folder(folder)):
            raise BusyError(
                f'The run "{live.name}" is in progress in another process. Watch it, or wait until it has finished.'
            )
        sweep(self.host.folders.loras)

    def _steerable(self, run: Run) -> Steering | None:
        """What lets other processes watch and steer the run; None where the disk refuses.

        Raises:
            BusyError: the run is in progress in another process.
        """
        if not _speaks():
            return None
        steering = Steering(run, self.watched)
        try:
            steering.open()
        except BusyError:
            raise
        except (RunError, OSError) as error:
            logger.warning("The run can't be steered from elsewhere: %s", error)
            return None
        return steering

    def settle(self, seconds: float = 5.0) -> None:
        """Wait until those who watch from elsewhere know that the run has ended."""
        if self._steering is not None:
            self._steering.settle(seconds)

    def _refuse_while_occupied(self) -> None:
        occupied = self.occupied()
        if occupied:
            raise BusyError(occupied)

    def _begin(self, settings: Settings, existing: Existing) -> Begin:
        folder = run_folder(self.host.folders, settings.name)
        if not self._team.main:  # where there are several processes, the main one decides
            return Begin()
        if is_untouched(folder):
            if existing == "further":
                raise RunError(f'There is no run "{settings.name}" to train further.', option="--set name=NAME")
            return Begin(on_top_of=self._start_weights(settings))
        if existing == "on top":
            return Begin(on_top=True)
        if existing == "replace" or (settings.override and existing == "ask"):
            return Begin(replace=True, on_top_of=self._start_weights(settings))
        if existing == "continue" or (existing == "further" and resumes_a_part(folder, settings)):
            self._check_continuable(settings, summarize(folder))
            return Begin(continue_exactly=True)
        if existing == "further":
            check_further(settings, summarize(folder))
            processes = (stored_processes(folder), self._team.size)
            check_same(stored_settings(folder), settings, processes, FREE_IN_A_NEW_PART)
            return Begin(continue_exactly=True, further=True)
        raise self._name_taken(settings, summarize(folder))

    def _start_weights(self, settings: Settings) -> Path | None:
        """The weights of Start from; None for a fresh LoRA.

        Raises:
            RunError: there are none, or they are those of the LoRA that is to be replaced.
        """
        if not settings.start_from.strip():
            return None
        start = start_folder(settings.start_from, self.host.folders)
        if start.is_relative_to(run_folder(self.host.folders, settings.name)):
            raise RunError(
                f'The LoRA "{settings.name}" can\'t start from itself and be replaced. Train it further, or choose '
                "another name.",
                option=("--further EPOCHS", "--set name=NAME"),
                setting="start_from",
            )
        return start

    def name_taken(self, settings: Settings) -> NameTaken | None:
        """What Start would ask about the name of these settings; None where no LoRA has it.

        Raises:
            RunError: a name that can't be used, or a LoRA to start from that is not there.
        """
        settings, _ = started_from(settings.changed(name=check_name(settings.name)), self.host.folders)
        folder = run_folder(self.host.folders, settings.name)
        return None if is_untouched(folder) else self._name_taken(settings, summarize(folder))

    def _name_taken(self, settings: Settings, found: RunSummary) -> NameTaken:
        before = stored_settings(found.path)
        processes = (stored_processes(found.path), self._team.size)
        different = differences(before, settings, processes) if before is not None else ["its settings are unknown"]
        can_continue = not different and found.state in ("unfinished", "interrupted", "stopped", "failed")
        what = f"it is {found.state}, update {found.updates} of {found.total_updates}"
        if found.state == "foreign":
            what = "it was not trained here"
        way = "resume it, " if can_continue else ""
        why_not = f" It can't be resumed exactly: {'; '.join(different)}." if different else ""
        return NameTaken(
            f'A LoRA named "{settings.name}" exists ({what}).{why_not} Choose to {way}train on top of its weights, '
            "replace it (the old one is kept aside), or choose another name.",
            can_continue,
            standing=what,
            option=(*(["--existing continue"] if can_continue else []), *_OTHER_WAYS),
        )

    def _check_continuable(self, settings: Settings, found: RunSummary) -> None:
        """Raises:
        RunError: the run is in progress elsewhere, is finished, or its settings differ.
        """
        if found.state in ("running", "running elsewhere"):
            raise BusyError(
                f'The run "{settings.name}" is in progress in another process. Wait until it has finished, or '
                "interrupt it there."
            )
        if found.state == "finished":
            raise AlreadyFinished(
                f'The run "{settings.name}" is finished ({found.updates} updates). Train it further, choose another '
                "name, or turn on Override Existing Files.",
                option=("--further EPOCHS", "--set name=NAME", "--existing replace"),
                setting="name",
            )
        if found.state == "wrong":
            raise AlreadyFinished(
                f'The run "{settings.name}" went wrong: {found.reason.rstrip(".")}. Start a new run with a lower '
                "Learning Rate, from a checkpoint before that or from the beginning.",
                option=(f"--set start_from={settings.name}/checkpoint-NUMBER --set name=NAME", "--existing replace"),
                setting="learning_rate",
            )
        before = stored_settings(found.path)
        check_same(before, settings, (stored_processes(found.path), self._team.size))
        if found.state == "stopped" and not stops_moved(found.path, settings):
            raise RunError(
                f'The run "{settings.name}" was ended by a stop you set: {found.reason}. Change the stop that ended it '
                "to continue."
            )


_OTHER_WAYS = ("--existing on-top", "--existing replace", "--set name=NAME")


def _speaks() -> bool:
    """Whether this is the process that speaks for a run: of several processes the main one does."""
    return os.environ.get("RANK", "0") == "0"


def check_sources(settings: Settings) -> None:
    """Raises:
    SettingsError: everything that is missing before data can be read, all at once.
    """
    faults = _missing(settings)
    if faults:
        raise SettingsError(faults)


def check_early(settings: Settings, folders: Folders, *, named: bool = True) -> None:
    """What can be checked before a model is loaded; with `named` the name too.

    Raises:
        SettingsError: all faults at once.
    """
    faults = name_faults(settings.name, folders) if named else []
    faults += [*_missing(settings), *early_faults(settings, folders)]
    if faults:
        raise SettingsError(faults)


_TEXT_FILE, _DATASET = "--set text_file=FILE", "--set dataset=FILE"


def _missing(settings: Settings) -> list[Fault]:
    faults = []
    if not settings.text_file and not settings.dataset:
        text = "No data is chosen. Choose a Text file or a Dataset."
        faults.append(Fault(text, "text_file", (_TEXT_FILE, _DATASET)))
    if settings.text_file and settings.dataset and not settings.hybrid:
        text = "A Text file and a Dataset are both chosen. Choose one of them, or turn on Hybrid Training."
        faults.append(Fault(text, "hybrid", ("--set hybrid=on",)))
    if settings.hybrid and not (settings.text_file and settings.dataset):
        text = "Hybrid Training needs a Text file and a Dataset. Choose both, or turn it off."
        faults.append(Fault(text, "hybrid", (_TEXT_FILE, _DATASET, "--set hybrid=off")))
    if settings.loss_on == "after" and not settings.train_only_after:
        text = 'Train on is "after", but Train Only After is empty. Type the string, or train on all tokens.'
        faults.append(Fault(text, "train_only_after", ("--set train_only_after=TEXT", "--set loss_on=all")))
    return faults


_current: list[Session] = []
_current_lock = threading.Lock()


def current_session(make_host: Callable[[], Host]) -> Session:
    """This process's session, made on the first call; a host that reloads its extensions gets the same one again."""
    with _current_lock:
        if not _current:
            host = make_host()
            _current.append(Session(host, host.folders.queue))
            _current[0].attach_own()
        return _current[0]
