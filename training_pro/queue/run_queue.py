"""The queue: a list of waiting runs, and one thread that starts each when the one before it has ended.

It asks a session for a run and waits until it has ended; what kind of run that is, the session decides. The list is on
the disk, so that it outlives the process: then it is offered again, but never started by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from training_pro.errors import Fault, RunError, SettingsError, explain, faults_of, options_of
from training_pro.folders import Folders
from training_pro.queue.entry import Entry, State
from training_pro.queue.kept_list import KeptList
from training_pro.queue.name_taken import Place, place_of
from training_pro.record.names import check_name, run_folder
from training_pro.record.process import lives, this_process
from training_pro.record.runs import summarize
from training_pro.settings import Settings
from training_pro.training.controls import Controls
from training_pro.training.status import RunStatus

_LOOK_AGAIN_S = 0.2
_INTERRUPTED = "interrupted with the queue"
_Existing = Literal["ask", "continue", "replace"]
_RESULTS: tuple[State, ...] = ("finished", "stopped", "interrupted", "wrong", "failed")


class HasFolders(Protocol):
    """What the queue needs of a host."""

    @property
    def folders(self) -> Folders: ...


class GoingRun(Protocol):
    """What it needs of a run."""

    @property
    def settings(self) -> Settings: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def controls(self) -> Controls: ...
    def wait(self, seconds: float | None = None) -> RunStatus: ...


class Starter(Protocol):
    """What it needs of a session.

    `occupied` says what holds the model ("" for nothing); `vet` everything that refuses a run.
    """

    @property
    def host(self) -> HasFolders: ...
    @property
    def run(self) -> GoingRun | None: ...
    def occupied(self) -> str: ...
    def vet(self, settings: Settings) -> list[Fault]: ...
    def start(self, settings: Settings, existing: _Existing, *, queued: bool) -> GoingRun: ...


@dataclass(frozen=True)
class QueueView:
    """The queue at one moment. `stopping`: it ends after the present run. `fault`: what could not be read or kept."""

    entries: tuple[Entry, ...] = ()
    going: bool = False
    stopping: bool = False
    fault: str = ""

    @property
    def waiting(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.state == "waiting")


@dataclass(frozen=True)
class Added:
    """What adding did: the entries that wait now, and the names of runs that were at their end already."""

    entries: tuple[Entry, ...]
    done: tuple[str, ...]


class RunQueue:
    """The list, and the thread that works it off while `going`.

    Guarantees: every method may be called from any thread; an entry is lost by no failure of another, nor by another
    process that changes the list at the same time, and no two processes run the same entry.
    """

    def __init__(self, starter: Starter, kept: KeptList) -> None:
        self._starter = starter
        self._kept = kept
        self._lock = threading.RLock()
        self._entries: tuple[Entry, ...] = ()
        self._write_fault = ""
        self._going = self._stopping = self._interrupting = False
        self._current: GoingRun | None = None
        self._ended = threading.Event()
        self._ended.set()

    # -- looking --------------------------------------------------------------------------------------------------

    def view(self) -> QueueView:
        """The queue as it is now; another process's changes of the list are in it."""
        with self._lock:
            self._take_up_changes()
            fault = self._write_fault or self._kept.fault
            return QueueView(self._entries, self._going, self._stopping, fault)

    @property
    def going(self) -> bool:
        return self._going

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the queue has ended, at most `seconds`; whether it has."""
        return self._ended.wait(seconds)

    def check_free(self) -> None:
        """Raises:
        RunError: the queue is working, so that no other run may start; with the names.
        """
        with self._lock:
            if not self._going:
                return
            names = [f'"{entry.name}"' for entry in self._entries if not entry.has_ended]
            raise RunError(
                f"The queue is working ({', '.join(names)}). Add a run to it, wait until it has ended, or end it."
            )

    # -- changing the list ----------------------------------------------------------------------------------------

    def add(self, runs: Sequence[Settings], experiment: str = "", *, skip_done: bool = False) -> Added:
        """Put runs at the list's end, after everything that can be known beforehand was looked at.

        With `skip_done` runs that are at their end already, with these very settings, are listed with their
        outcome and named; without it they are a fault. What has ended under one of these names leaves the list.

        Raises:
            SettingsError: everything that refuses any of them; none was added then.
        """
        vetted = [(_composed(settings), self._starter.vet(settings)) for settings in runs]
        with self._changing():
            faults: list[Fault] = []
            new: list[Entry] = []
            names = self._names_in_use()
            for settings, found in vetted:
                place = self._place(settings, names)
                names.add(settings.name.casefold())
                against = [place.fault, *found] if place.fault else found
                if place.kind == "done" and skip_done:
                    new.append(self._with_result(Entry(settings, experiment=experiment)))
                elif against:
                    whose = f"{settings.name or 'A run without a name'}: " if len(vetted) > 1 else ""
                    faults += [replace(fault, text=f"{whose}{fault}") for fault in against]
                else:
                    new.append(Entry(settings, experiment=experiment, continues=place.kind == "continue"))
            if faults:
                raise SettingsError(faults)
            again = {entry.name for entry in new}
            self._keep((*(e for e in self._entries if not e.has_ended or e.name not in again), *new))
            return Added(
                tuple(entry for entry in new if not entry.has_ended),
                tuple(entry.name for entry in new if entry.has_ended),
            )

    def remove(self, key: str) -> Entry:
        """Delete an entry from the list; its run's files stay.

        Raises:
            RunError: no such entry, or its run is in progress.
        """
        with self._changing():
            entry = self._find(key)
            if entry.state == "running":
                raise RunError(f'The run "{entry.name}" is in progress. Interrupt it first.')
            self._keep(tuple(other for other in self._entries if other.key != key))
            return entry

    def clear_ended(self) -> int:
        """Delete everything that has ended from the list; how many there were."""
        with self._changing():
            left = tuple(entry for entry in self._entries if not entry.has_ended)
            count = len(self._entries) - len(left)
            if count:
                self._keep(left)
            return count

    def move(self, key: str, places: int) -> Entry:
        """Move a waiting entry by so many places among those that wait (below 0: to the front).

        Raises:
            RunError: no such entry, or it does not wait.
        """
        with self._changing():
            entry = self._find(key)
            if entry.state != "waiting":
                raise RunError(f'The run "{entry.name}" is no longer waiting. Only waiting runs can be moved.')
            order = [other for other in self._entries if other.state == "waiting"]
            at = order.index(entry)
            order.insert(min(max(at + places, 0), len(order) - 1), order.pop(at))
            in_order = iter(order)
            self._keep(tuple(next(in_order) if e.state == "waiting" else e for e in self._entries))
            return entry

    def again(self, key: str) -> Entry:
        """Queue an ended run again; what exists of it is continued.

        Raises:
            RunError: no such entry, it is still running, or it is finished.
        """
        with self._changing():
            entry = self._find(key)
            if not entry.has_ended:
                raise RunError(
                    f'The run "{entry.name}" is {entry.state}; only a run that has ended can be queued again.'
                )
            if entry.state == "finished":
                raise RunError(f'The run "{entry.name}" is finished. Add it under another name.')
            again = entry.changed(state="waiting", reason="")
            self._keep((*(other for other in self._entries if other.key != key), again))
            return again

    # -- working ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with the first waiting run, after the run in progress if there is one. Does nothing while working.

        Raises:
            RunError: nothing waits.
        """
        with self._lock:
            self._take_up_changes()
            self._stopping = self._interrupting = False
            if self._going:
                return
            if not any(entry.state == "waiting" for entry in self._entries):
                raise RunError("No run is waiting in the queue. Add one first.")
            self._going = True
            self._ended.clear()
            threading.Thread(target=self._work, name="queue", daemon=True).start()

    def stop(self) -> None:
        """End after the current run; waiting runs stay in the list."""
        with self._lock:
            self._stopping = self._going

    def interrupt(self, reason: str = _INTERRUPTED) -> None:
        """End the queue's current run now, its LoRA saved, and start no other."""
        with self._lock:
            self._stopping = self._interrupting = self._going
            if self._current is not None:
                self._current.controls.interrupt(reason)

    # -- the work, in the queue's own thread ----------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (chosen := self._next()) is not None:
                self._note(self._run_to_its_end(*chosen))
        except BaseException:
            with self._lock:
                self._rest()
            raise

    def _next(self) -> tuple[Entry, Entry] | None:
        """The entry to run now, as it waited and as it runs in the list from here on; None when the queue is to end."""
        while True:
            while not self._stopping and self._starter.occupied():
                time.sleep(_LOOK_AGAIN_S)
            try:
                with self._changing():
                    return self._chosen()
            except RunError as error:  # another process doesn't let go of the list
                with self._lock:
                    self._write_fault = str(error)
                    if self._stopping:
                        self._rest()
                        return None

    def _chosen(self) -> tuple[Entry, Entry] | None:
        waiting = [entry for entry in self._entries if entry.state == "waiting"]
        if self._stopping or not waiting:
            self._rest()
            return None
        running = waiting[0].starting(this_process())
        self._put(running)
        return waiting[0], running

    def _rest(self) -> None:
        self._going = self._stopping = self._interrupting = False
        self._current = None
        self._ended.set()

    def _run_to_its_end(self, waited: Entry, entry: Entry) -> Entry:
        """The entry with its outcome; whatever happens is one."""
        try:
            run = self._started(entry, self._existing(waited))
            status = run.wait()
        except Exception as error:  # noqa: BLE001 - one run's failure must not end the queue
            said = explain(error, f"starting {entry.name}")
            return entry.changed(state="failed", reason=said, options=options_of(error))
        finally:
            self._current = None
        ending, point = status.ending, status.point
        return entry.changed(
            state=ending.kind if ending is not None else "failed",
            reason=ending.reason if ending is not None else "",
            options=ending.options if ending is not None else (),
            updates=status.update,
            total_updates=status.total_updates,
            last_loss=point.smoothed_loss if point is not None else None,
        )

    def _started(self, entry: Entry, existing: _Existing) -> GoingRun:
        """The run of the entry, begun."""
        run = self._starter.start(entry.settings, existing, queued=True)
        with self._lock:
            self._current = run
            if self._interrupting:
                run.controls.interrupt(_INTERRUPTED)
        return run

    def _existing(self, entry: Entry) -> _Existing:
        """What is to be done with a folder of its name: its own is continued."""
        folder = run_folder(self._starter.host.folders, entry.name)
        if not folder.exists():
            return "ask"
        if entry.continues or (entry.begun and summarize(folder).created >= entry.begun):
            return "continue"
        return "replace" if entry.settings.override else "ask"

    # -- the list -------------------------------------------------------------------------------------------------

    def _names_in_use(self) -> set[str]:
        names = {entry.name.casefold() for entry in self._entries if not entry.has_ended}
        run = self._starter.run
        if run is not None and run.status.running:
            names.add(run.settings.name.casefold())
        return names

    def _place(self, settings: Settings, names: set[str]) -> Place:
        try:
            if check_name(settings.name).casefold() not in names:
                return place_of(self._starter.host.folders, settings)
        except RunError as error:
            return Place("taken", faults_of(error)[0])
        text = f'A run named "{settings.name}" is already waiting or in progress. Choose another name.'
        return Place("taken", Fault(text, "name", ("--set name=NAME",)))

    def _find(self, key: str) -> Entry:
        for entry in self._entries:
            if entry.key == key:
                return entry
        raise RunError("That run is no longer in the queue.")

    def _keep(self, entries: tuple[Entry, ...]) -> None:
        self._kept.write(entries)
        self._write_fault = ""
        self._entries = entries

    def _note(self, entry: Entry) -> None:
        """Put the entry in the place of its former self; a disk that refuses does not end the queue."""
        try:
            with self._changing():
                self._put(entry)
        except RunError as error:  # another process doesn't let go of the list
            with self._lock:
                self._write_fault = str(error)
                self._entries = self._with(entry)

    def _put(self, entry: Entry) -> None:
        entries = self._with(entry)
        try:
            self._keep(entries)
        except RunError as error:
            self._write_fault = str(error)
            self._entries = entries

    def _with(self, entry: Entry) -> tuple[Entry, ...]:
        return tuple(entry if other.key == entry.key else other for other in self._entries)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The list as it is now, to change it: no other thread and no other process can change it at the same time.

        Raises:
            RunError: another process doesn't let go of it.
        """
        with self._lock, self._kept.alone():
            self._take_up_changes()
            yield

    def _take_up_changes(self) -> None:
        if self._kept.changed():
            self._entries = tuple(self._as_it_is(entry) for entry in self._kept.read())

    def _as_it_is(self, entry: Entry) -> Entry:
        """An entry that was running in a process that is gone: what its folder says, or it waits again."""
        if entry.state != "running" or lives(entry.process):
            return entry
        return self._with_result(entry)

    def _with_result(self, entry: Entry) -> Entry:
        try:
            found = summarize(run_folder(self._starter.host.folders, entry.name))
        except RunError:
            return entry.changed(state="waiting")
        if found.state in ("running", "running elsewhere"):
            return entry
        if found.state not in _RESULTS or found.created < entry.begun:
            return entry.changed(state="waiting")
        return entry.changed(
            state=found.state,
            reason=found.reason,
            updates=found.updates,
            total_updates=found.total_updates,
            last_loss=found.last_loss,
        )


def _composed(settings: Settings) -> Settings:
    """With the name as it will be used; one that can't be is left for the faults."""
    with suppress(RunError):
        return settings.changed(name=check_name(settings.name))
    return settings
