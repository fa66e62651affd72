"""The trainer's end of the channel: writes the run's status and carries out commands, in its own thread.

A look costs a listing of one folder, some 20 microseconds, four times a second; a status is written only where it
has changed. Nothing here can end the run: if the channel fails, the run continues and can't be steered.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

from training_pro.errors import UserError, explain
from training_pro.record.process import this_process
from training_pro.remote import commands
from training_pro.remote.channel import (
    ANSWERS,
    COMMANDS,
    STATUS_FILE,
    channel_folder,
    close_channel,
    open_channel,
    owner,
    put,
    read_small,
)
from training_pro.remote.snapshot import HEARTBEAT_S, Live, Steered, live_of
from training_pro.values import plain

logger = logging.getLogger(__name__)

PACE_S = 0.25
_MOST_ANSWERS = 100


class Steering:
    """`watched`: the last status is left for the page that started this process."""

    def __init__(self, run: Steered, watched: bool = False) -> None:
        self._run = run
        self._watched = watched
        self._channel = channel_folder(run.folder)
        self._process = this_process()
        self._told: Live | None = None
        self._told_at = 0.0
        self._token = ""
        self._thread = threading.Thread(target=self._work, name=f"steering {run.settings.name}", daemon=True)

    def open(self) -> None:
        """Raises:
        BusyError: the run is in progress in another process.
        RunError: the channel can't be made.
        """
        live = self._live()
        self._token = open_channel(self._channel, plain(live))
        self._told, self._told_at = live, time.monotonic()

    def start(self) -> None:
        """Follow the run until it has ended."""
        self._thread.start()

    def settle(self, seconds: float) -> None:
        """Wait until the status says that the run has ended."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            running = self._run.status.running
            if owner(self._channel) not in (self._token, ""):
                return  # the next run of this name has made its own
            try:
                self._obey()
                self._tell()
            except OSError as error:
                logger.debug("The channel %s can't be used now: %s", self._channel, error)
            if not running:
                break
            time.sleep(PACE_S)
        if not self._watched:
            close_channel(self._channel, self._token)

    def _tell(self) -> None:
        live, now = self._live(), time.monotonic()
        if live != self._told or now - self._told_at >= HEARTBEAT_S:
            put(self._channel / STATUS_FILE, plain(live))
            self._told, self._told_at = live, now

    def _live(self) -> Live:
        return live_of(self._run, self._process, self._watched)

    def _obey(self) -> None:
        """Each command is removed before it is carried out, so that none is carried out twice."""
        for path in sorted((self._channel / COMMANDS).glob("*.json")):
            values = read_small(path)
            path.unlink()
            put(self._channel / ANSWERS / path.name, self._answer(values))
            self._forget_answers()

    def _answer(self, values: dict[str, Any] | None) -> dict[str, Any]:
        try:
            if values is None:
                raise UserError("The command can't be read. It must be a small JSON object.")
            if not self._run.status.running:
                raise UserError(f'The run "{self._run.settings.name}" has just ended.')
            command = commands.read_command(values)
            has_prompts = bool(self._run.settings.sample_prompts.strip())
            return {"ok": True, "said": commands.obey(command, self._run.controls, has_prompts)}
        except (UserError, TypeError) as error:
            return {"ok": False, "said": explain(error, "obeying a command")}

    def _forget_answers(self) -> None:
        """Those that nobody has read."""
        for path in sorted(_answers(self._channel))[:-_MOST_ANSWERS]:
            path.unlink(missing_ok=True)


def _answers(channel: Path) -> list[Path]:
    return list((channel / ANSWERS).glob("*.json"))
