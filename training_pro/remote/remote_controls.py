"""The live controls of a run in another process: what is set here is sent, what is shown came back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from training_pro.remote.channel import COMMANDS, channel_folder
from training_pro.remote.commands import Command
from training_pro.remote.snapshot import Live
from training_pro.remote.terminal_side import send
from training_pro.settings import Settings
from training_pro.training.controls import Controls, LiveValues

_BELIEVED_S = 5.0  # how long what was sent is shown before the other process has said so


class RemoteControls(Controls):
    """Guarantees: as `Controls`; besides, every asking raises RunError where the other process can't be told."""

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

    def interrupt(self, reason: str = "interrupted by hand") -> None:
        first = not self.interrupt_reason
        super().interrupt(reason)
        if first:
            self._tell(Command("stop", text=reason))

    def heard(self, live: Live) -> None:
        """Take over what the other process says, and tell it what had to wait for it."""
        self._send_waiting()
        with self._changed:
            self._taken = live.taken
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
