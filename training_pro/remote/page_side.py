"""A run in another process, used like a run of our own: watched by its channel and its files.

Costs two looks a second at small files; a look at nothing new costs some 100 microseconds.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any, NoReturn

from training_pro.errors import RunError, explain
from training_pro.record.followed_history import FollowedHistory
from training_pro.record.history import HISTORY_FILE
from training_pro.record.state import read_state
from training_pro.remote.channel import COMMANDS, channel_folder, close_channel, read_live
from training_pro.remote.commands import Command
from training_pro.remote.snapshot import Live
from training_pro.remote.terminal_side import send
from training_pro.settings import Settings
from training_pro.training.controls import STOPPED_BY_YOU, Controls, LiveValues
from training_pro.training.owner import ModelOwner
from training_pro.training.resume import Begin
from training_pro.training.run import Run
from training_pro.training.status import Ending

logger = logging.getLogger(__name__)

PACE_S = 0.5
_ENDS = ("finished", "stopped", "interrupted", "wrong", "failed")


class RemoteRun(Run):
    """A run in progress in another process. The host's own model is not touched."""

    def __init__(self, owner: ModelOwner, settings: Settings, folder: Path, begin: Begin) -> None:
        super().__init__(owner, settings, folder, _never, begin)
        self.controls: RemoteControls = RemoteControls(settings, folder)
        self.live: Live | None = None
        self._channel = channel_folder(folder)
        self._left = False
        self._noted: tuple[str, ...] = ()  # by us, before the other process says anything

    def note(self, sentence: str) -> None:
        self._noted = (*self._noted, sentence)
        super().note(sentence)

    def leave(self) -> None:
        """Stop watching it; it continues."""
        self._left = True

    def _work(self) -> None:
        try:
            while self._look():
                time.sleep(PACE_S)
            ending = self._ending()
        except Exception as error:  # noqa: BLE001 - the thread's last stop: everything becomes an ending
            self.fault = error
            ending = Ending("failed", explain(error, f"watching {self.settings.name}"))
        self._end(ending, tells=False)  # its own process does

    def _look(self) -> bool:
        """Read what the other process says; whether it continues."""
        live = read_live(self._channel)
        if live is None or self._left:
            return False
        if live.began:  # the history first: a status that is shown has its points
            self._follow_history()
        if live != self.live:
            self._show(live)
        try:
            self.controls.heard(live)
        except RunError as error:
            self._board.note(str(error))
        return live.alive(self._channel)

    def _show(self, live: Live) -> None:
        self.live = live
        shown = {f.name: getattr(live.status, f.name) for f in dataclasses.fields(live.status)}
        shown["notes"] = tuple(dict.fromkeys((*self._noted, *live.status.notes)))
        if not live.status.running:  # said by us, once all is done here too
            shown["phase"], shown["ending"] = "restoring", None
        self._board.change(**shown)

    def _follow_history(self) -> None:
        history = self.history
        if not isinstance(history, FollowedHistory):
            history = FollowedHistory(self.folder / HISTORY_FILE)
        history.look()
        self.history = history

    def _ending(self) -> Ending:
        """How it ended: as its process wrote last, else as its folder shows."""
        if self._left:
            return Ending("interrupted", "it continues elsewhere and is no longer watched here")
        told = read_live(self._channel) or self.live
        if told is not None and told.began:
            self._follow_history()
        if told is not None and told.status.ending is not None:
            close_channel(self._channel)
            return told.status.ending
        state = read_state(self.folder) if self.folder.is_dir() else None
        if state is not None and state.state in _ENDS and told is not None and state.pid == told.process.pid:
            return Ending(state.state, state.reason)  # type: ignore[arg-type]  # it is one of _ENDS
        return self._gone(told)

    def _gone(self, told: Live | None) -> Ending:
        """Its process is gone and has written nothing about its end."""
        process = f"Its process ({told.process.pid})" if told is not None else "Its process"
        return Ending("failed", f"{process} ended unexpectedly. {self._way_out()}")

    def _way_out(self) -> str:
        checkpoints = self.status.checkpoints
        where = f"from {checkpoints[-1].path.name}" if checkpoints else "from its beginning"
        return f"Start it again under the same name to resume it {where}."


def _never(*_: object) -> NoReturn:
    raise RuntimeError("the data of a run elsewhere is prepared there")


_BELIEVED_S = 5.0  # how long a sent value is shown before the other process confirms it


class RemoteControls(Controls):
    """Guarantees: as `Controls`; besides, every request raises RunError where it can't be sent."""

    def __init__(self, settings: Settings, run: Path) -> None:
        super().__init__(settings)
        self._run_folder = run
        self._waiting: list[Command] = []  # until the other process has opened its channel
        self._sent_at = -_BELIEVED_S

    def set(self, **changes: Any) -> LiveValues:
        values = super().set(**changes)  # checks them
        self._tell(Command("set", {name: getattr(values, name) for name in changes}))
        return values

    def ask_checkpoint(self) -> None:
        super().ask_checkpoint()
        self._tell(Command("checkpoint"))

    def ask_sample(self, prompt: str = "") -> None:
        self._tell(Command("sample", text=prompt))

    def pause(self) -> None:
        super().pause()
        self._tell(Command("pause"))

    def resume(self) -> None:
        super().resume()
        self._tell(Command("resume"))

    def interrupt(self, reason: str = STOPPED_BY_YOU) -> None:
        first = not self.interrupt_reason
        super().interrupt(reason)
        if first:
            self._tell(Command("stop", text=reason))

    def heard(self, live: Live) -> None:
        """Read what the other process says, and send what had to wait for it."""
        self._send_waiting()
        with self._changed:
            self._taken, self._ending = live.taken, live.ending
            if time.monotonic() - self._sent_at < _BELIEVED_S:
                return
            self._values, self._paused = live.values, live.paused
            self._checkpoint_asked = live.checkpoint_asked
            self._interrupt_reason = live.interrupt_reason

    def _tell(self, command: Command) -> None:
        self._sent_at = time.monotonic()
        self._waiting.append(command)
        self._send_waiting()

    def _send_waiting(self) -> None:
        with self._lock:
            waiting = self._waiting
            if not waiting or not (channel_folder(self._run_folder) / COMMANDS).is_dir():
                return
            self._waiting = []
        for command in waiting:
            send(self._run_folder, command)
