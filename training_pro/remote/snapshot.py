"""What a run tells other processes about itself: its status, its controls, which process it is."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training_pro.record.history import History
from training_pro.record.process import ProcessMark, lives
from training_pro.settings import Settings
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.status import RunStatus

HEARTBEAT_S = 10.0
_QUIET_S = 120.0  # a process of another machine that says nothing for so long counts as dead


class Steered(Protocol):
    """What of a run can be watched and steered."""

    @property
    def settings(self) -> Settings: ...
    @property
    def folder(self) -> Path: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def controls(self) -> Controls: ...
    @property
    def history(self) -> History | None: ...


@dataclass(frozen=True)
class Live:
    """A run as its process last described it.

    `began`: it has its own folder and history by now. `watched`: started by a page, which reads the result.
    """

    process: ProcessMark
    settings: Settings
    status: RunStatus
    values: LiveValues
    taken: LiveValues
    paused: bool = False
    checkpoint_asked: bool = False
    sample_asked: bool = False
    interrupt_reason: str = ""
    began: bool = False
    watched: bool = False
    ending: str = ""

    @property
    def name(self) -> str:
        return self.status.name

    def alive(self, channel: Path) -> bool:
        """Whether the run is in progress and its process lives; on another machine: whether it still writes."""
        if not self.status.running:
            return False
        if self.process.machine == platform.node():
            return lives(self.process)
        try:
            return time.time() - (channel / "status.json").stat().st_mtime < _QUIET_S
        except OSError:
            return False


def live_of(run: Steered, process: ProcessMark, watched: bool) -> Live:
    """The run as it is now."""
    controls = run.controls
    return Live(
        process,
        run.settings,
        run.status,
        controls.values,
        controls.taken,
        controls.paused,
        controls.checkpoint_asked,
        controls.sample_asked,
        controls.interrupt_reason,
        run.history is not None,
        watched,
        controls.ending,
    )
