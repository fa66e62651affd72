"""What a run says of itself to other processes: its status, its controls, which process it is."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from training_pro.plan import Plan
from training_pro.record.history import History
from training_pro.record.points import Point
from training_pro.record.process import ProcessMark, lives
from training_pro.settings import Settings, from_dict, to_dict
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.status import Ending, RunStatus, SavedCheckpoint

HEARTBEAT_S = 10.0
_QUIET_S = 120.0  # a process of another machine that says nothing for so long is taken for dead


class Steered(Protocol):
    """What of a run is told and steered."""

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
    """A run as its process last told.

    `began`: its folder and its history are its own. `watched`: started by a page, which takes the result.
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

    @property
    def name(self) -> str:
        return self.status.name

    def alive(self, channel: Path) -> bool:
        """Whether the run goes and its process is there; one of another machine is believed while it speaks."""
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
    )


def to_values(live: Live) -> dict[str, Any]:
    """As plain JSON values."""
    status = live.status
    shown = {f.name: getattr(status, f.name) for f in dataclasses.fields(status)}
    shown["folder"] = str(status.folder)
    for name in ("plan", "point", "ending"):
        shown[name] = dataclasses.asdict(shown[name]) if shown[name] is not None else None
    shown["checkpoints"] = [[c.update, str(c.path), c.reason] for c in status.checkpoints]
    plain = {f.name: getattr(live, f.name) for f in dataclasses.fields(live)}
    return {
        **plain,
        "process": dataclasses.asdict(live.process),
        "settings": to_dict(live.settings),
        "status": shown,
        "values": dataclasses.asdict(live.values),
        "taken": dataclasses.asdict(live.taken),
    }


def live_from(values: Mapping[str, Any]) -> Live:
    """What `to_values` was given.

    Raises:
        LookupError, TypeError, ValueError: it makes no sense.
    """
    known = {f.name for f in dataclasses.fields(Live)}
    return Live(
        **{
            **{name: value for name, value in values.items() if name in known},
            "process": ProcessMark(**values["process"]),
            "settings": from_dict(values["settings"]),
            "status": _status(values["status"]),
            "values": LiveValues(**values["values"]),
            "taken": LiveValues(**values["taken"]),
        }
    )


def _status(values: Mapping[str, Any]) -> RunStatus:
    known = {f.name for f in dataclasses.fields(RunStatus)}
    plan, point, ending = values["plan"], values["point"], values["ending"]
    done, total, what = values["progress"]
    return RunStatus(
        **{
            **{name: value for name, value in values.items() if name in known},
            "folder": Path(values["folder"]),
            "progress": (done, total, what),
            "plan": Plan(**{**plan, "notes": tuple(plan["notes"])}) if plan else None,
            "point": Point(**{name: _number(name, value) for name, value in point.items()}) if point else None,
            "notes": tuple(values["notes"]),
            "checkpoints": tuple(
                SavedCheckpoint(update, Path(path), why) for update, path, why in values["checkpoints"]
            ),
            "ending": Ending(**ending) if ending else None,
        }
    )


def _number(name: str, value: Any) -> Any:
    """JSON has no word for NaN: it came as null."""
    return float("nan") if value is None and name != "eval_loss" else value
