"""A run in another process, with the face of a run of our own: watched by its channel and its files.

Costs two looks a second at small files; a look at nothing new costs some 100 microseconds.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import NoReturn

from training_pro.errors import RunError, explain
from training_pro.record.followed_history import FollowedHistory
from training_pro.record.history import HISTORY_FILE
from training_pro.record.state import read_state
from training_pro.remote.channel import channel_folder, close_channel, read_live
from training_pro.remote.remote_controls import RemoteControls
from training_pro.remote.snapshot import Live
from training_pro.settings import Settings
from training_pro.training.beginning import Begin
from training_pro.training.ending import Ending
from training_pro.training.owner import ModelOwner
from training_pro.training.run import Run

logger = logging.getLogger(__name__)

PACE_S = 0.5
_ENDS = ("finished", "stopped", "interrupted", "failed")


class RemoteRun(Run):
    """A run that is going elsewhere already. The host's own model is not touched."""

    remote = True

    def __init__(self, owner: ModelOwner, settings: Settings, folder: Path, begin: Begin) -> None:
        super().__init__(owner, settings, folder, _never, begin)
        self.controls: RemoteControls = RemoteControls(settings, folder)
        self.live: Live | None = None
        self._channel = channel_folder(folder)
        self._left = False

    def leave(self) -> None:
        """Watch it no longer; it goes on."""
        self._left = True

    def _work(self) -> None:
        try:
            while self._look():
                time.sleep(PACE_S)
            ending = self._ending()
        except Exception as error:  # noqa: BLE001 - the thread's last stop: everything becomes an ending
            self.fault = error
            ending = Ending("failed", explain(error, f"watching {self.settings.name}"))
        self._end(ending)

    def _look(self) -> bool:
        """Take over what the other process says; whether it goes on."""
        live = read_live(self._channel)
        if live is None or self._left:
            return False
        if live != self.live:
            self._show(live)
        if live.began:
            self._follow_history()
        try:
            self.controls.heard(live)
        except RunError as error:
            self._board.note(str(error))
        return live.alive(self._channel)

    def _show(self, live: Live) -> None:
        self.live = live
        shown = {f.name: getattr(live.status, f.name) for f in dataclasses.fields(live.status)}
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
        """How it ended, as its process said last, else as its folder says."""
        if self._left:
            return Ending("interrupted", "it goes on elsewhere and is no longer watched here")
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
        """Its process is gone and has said nothing."""
        process = f"Its process ({told.process.pid})" if told is not None else "Its process"
        return Ending("failed", f"{process} is gone without a word. {self._way_out()}")

    def _way_out(self) -> str:
        checkpoints = self.status.checkpoints
        where = f"from {checkpoints[-1].path.name}" if checkpoints else "from its beginning"
        return f"Start it again under the same name to continue it {where}."


def _never(*_: object) -> NoReturn:
    raise RuntimeError("the data of a run elsewhere is prepared there")
