"""The other end of the channel: find a run in progress, send it a command, and see what it did."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training_pro.errors import NotRunning, RunError
from training_pro.record.followed_history import FollowedHistory
from training_pro.record.history import HISTORY_FILE, Event
from training_pro.record.runs import summarize
from training_pro.record.whole_files import write_fault
from training_pro.remote.channel import ANSWERS, COMMANDS, channel_folder, command_name, put, read_live, read_small
from training_pro.remote.commands import Command
from training_pro.remote.snapshot import Live
from training_pro.settings import sample_prompts
from training_pro.values import plain

_LOOK_AGAIN_S = 0.1
_ENDED_WELL = ("finished", "stopped", "interrupted")


@dataclass(frozen=True)
class Heard:
    """`ok` False: the run refused; `said` is the reason. `taken`: what was asked for has happened; `live` shows it.

    `answers`: the samples that were asked for, as far as they are there.
    """

    ok: bool
    said: str
    taken: bool
    live: Live
    answers: tuple[Event, ...] = ()


def reach(run: Path) -> Live:
    """The run in progress whose folder is `run`.

    Raises:
        NotRunning: it is not in progress, or does not exist.
    """
    channel = channel_folder(run)
    live = read_live(channel)
    if live is not None and live.alive(channel):
        return live
    name = run.name
    if not run.is_dir():
        dead = f" Its process ({live.process.pid}) is gone." if live is not None and live.status.running else ""
        raise NotRunning(f'There is no run "{name}" in {run.parent}.{dead}')
    found = summarize(run)
    if found.state in ("running", "running elsewhere"):
        raise NotRunning(
            f'The run "{name}" is running in a process that takes no commands. Steer it where it was started.'
        )
    end = f": {found.reason}" if found.reason else ""
    raise NotRunning(f'The run "{name}" is not running; it is {found.state}, update {found.updates}{end}')


def send(run: Path, command: Command) -> Path:
    """Give the command to the run; returns where its answer will be.

    Raises:
        RunError: the run belongs to another user, or the disk refuses.
    """
    channel, name = channel_folder(run), command_name()
    try:
        put(channel / COMMANDS / name, plain(command))
    except PermissionError:
        raise RunError(f'The run "{run.name}" belongs to another user, and only that user can steer it.') from None
    except OSError as error:
        raise write_fault(channel, error) from error
    return channel / ANSWERS / name


def ask_run(run: Path, command: Command, wait_s: float) -> Heard:
    """Send the command and wait, at most `wait_s`, until the run has answered and done what was asked.

    Raises:
        RunError: as `reach` and `send`; or the run was gone before it answered to anything but "stop".
    """
    before = reach(run)
    awaited = AwaitedAnswers(before, command.text) if command.do == "sample" else None
    answer_at, end = send(run, command), time.monotonic() + wait_s
    while (answer := read_small(answer_at)) is None:
        try:
            before = reach(run)
        except NotRunning:
            if command.do != "stop" or summarize(run).state not in _ENDED_WELL:
                raise
            return Heard(True, "", True, before)  # its channel went with the answer
        if time.monotonic() > end:
            return Heard(True, "The run has not read it yet.", False, before)
        time.sleep(_LOOK_AGAIN_S)
    answer_at.unlink(missing_ok=True)
    said = str(answer.get("said"))
    if not answer.get("ok"):
        return Heard(False, said, False, before)
    live = before
    while True:
        live, ended = _look(run, live)
        done = awaited.complete(live) if awaited else _done(command, before, live)
        if ended or done or time.monotonic() > end:
            return Heard(True, said, ended or done, live, tuple(awaited.found(live)) if awaited else ())
        time.sleep(_LOOK_AGAIN_S)


def _look(run: Path, before: Live) -> tuple[Live, bool]:
    """The run as it is now, and whether it has ended."""
    channel = channel_folder(run)
    live = read_live(channel)
    return (before, True) if live is None else (live, not live.alive(channel))


def _done(command: Command, before: Live, now: Live) -> bool:
    """Whether a command that asks for no answers has taken effect."""
    happened = {
        "set": all(getattr(now.taken, name) == value for name, value in command.values.items()),
        "checkpoint": len(now.status.checkpoints) > len(before.status.checkpoints) and not now.checkpoint_asked,
        "pause": now.status.phase == "paused",
        "resume": now.status.phase != "paused",
        "stop": not now.status.running,
    }
    return happened[command.do]


_Mark = tuple[str, int, str]


class AwaitedAnswers:
    """Create it before you ask the run. `text` is the one prompt to be answered, "" stands for all of the run's own.

    Each look reads what the run has written since the last look; the first reads its whole history.
    """

    def __init__(self, live: Live, text: str) -> None:
        self._text = text.strip()
        self._prompts = list(dict.fromkeys([self._text] if self._text else sample_prompts(live.settings)))
        self._history = FollowedHistory(live.status.folder / HISTORY_FILE)
        self._before = Counter(map(_mark, self._samples()))

    def found(self, live: Live) -> list[Event]:
        """The answers so far, at most one for each prompt, in the order of the prompts; the latest counts.

        A paused run does not answer its own prompts twice at one update: there the earlier answers count.
        """
        old, answers = self._before.copy(), dict[str, Event]()
        paused = live.status.phase == "paused" and not self._text
        for event in self._samples():
            mark = _mark(event)
            known = old[mark] > 0
            old[mark] -= known
            if not known or (paused and event.update == live.status.update):
                answers[str(event.details.get("prompt"))] = event
        return [answers[prompt] for prompt in self._prompts if prompt in answers]

    def complete(self, live: Live) -> bool:
        """Whether every prompt is answered."""
        return len(self.found(live)) == len(self._prompts)

    def _samples(self) -> Iterator[Event]:
        self._history.look()
        return (event for event in self._history.events if event.kind == "sample")


def _mark(event: Event) -> _Mark:
    return event.at, event.update, str(event.details.get("prompt"))
