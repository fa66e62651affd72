"""Where a run stands: ``training_state.json``, written whole when it starts or continues, and when it ends.

It names the process that trains, so that a run whose process was killed is known to be unfinished though
its file still says "running". One write costs two fsyncs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from training_pro.errors import RunError
from training_pro.record.process import ProcessMark, lives, this_process
from training_pro.record.whole_files import strict_json, write_json_whole
from training_pro.small_files import json_in
from training_pro.values import salvaged
from training_pro.words import reason_of, utc_now

STATE_FILE = "training_state.json"
Standing = Literal[
    "running", "finished", "stopped", "interrupted", "wrong", "failed", "unfinished", "running elsewhere"
]
WRITTEN_STANDINGS = ("running", "finished", "stopped", "interrupted", "wrong", "failed")
_QUIET_S = 120  # a run of another machine that wrote nothing for so long counts as dead


@dataclass(frozen=True)
class RunState:
    """What is written down about a run.

    `state`: "running" until it ends, then "finished" (all updates), "stopped" (a stop condition),
    "interrupted" (a person), "wrong" (it made the model worse) or "failed"; `reason` is the sentence to show. Times are
    UTC, ISO 8601. `data_parts` are digests of what `data_fingerprint` is made of, by name. `begins_at`: the update at
    which the last part of a run that was trained further began.
    """

    state: str
    reason: str = ""
    update: int = 0
    total_updates: int = 0
    started: str = ""
    finished: str = ""
    base_model: str = ""
    quantization: str = ""
    last_loss: float | None = None
    best_eval_loss: float | None = None
    settings_fingerprint: str = ""
    data_fingerprint: str = ""
    data_parts: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    process_started: str = ""
    machine: str = ""
    processes: int = 1
    begins_at: int = 0

    def changed(self, **changes: Any) -> RunState:
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)

    def ended(self, state: str, reason: str) -> RunState:
        """The state to write when the run ends now."""
        return self.changed(state=state, reason=reason, finished=utc_now())


def starting_state(total_updates: int, base_model: str, settings_fingerprint: str, data_fingerprint: str) -> RunState:
    """The state of a run that this process begins now."""
    mark = this_process()
    return RunState(
        state="running",
        total_updates=total_updates,
        started=utc_now(),
        base_model=base_model,
        settings_fingerprint=settings_fingerprint,
        data_fingerprint=data_fingerprint,
        pid=mark.pid,
        process_started=mark.started,
        machine=mark.machine,
    )


def write_state(folder: Path, state: RunState) -> None:
    """Write `state` into the run's folder.

    Raises:
        RunError: it couldn't be written; the old state is still there.
    """
    if state.state not in WRITTEN_STANDINGS:
        raise ValueError(f"{state.state!r} is only shown, never written. Write one of {WRITTEN_STANDINGS}")
    write_json_whole(folder / STATE_FILE, dataclasses.asdict(state))


def read_state(folder: Path) -> RunState | None:
    """The state in a run's folder; None where there is no such file.

    Raises:
        RunError: the file is there and is not valid.
    """
    path = folder / STATE_FILE
    try:
        values = json_in(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(
            f"The run's state {path} can't be read ({reason_of(error)}). Delete the file or the run."
        ) from error
    if not isinstance(values, dict) or values.get("state") not in WRITTEN_STANDINGS:
        raise RunError(f"The run's state {path} is not valid. Delete the file or the run.")
    return salvaged(RunState, values)


def standing(folder: Path, state: RunState) -> Standing:
    """What is true of the run now: "unfinished" when its file says "running" but its process is gone.

    A process of another machine can't be looked at: "running elsewhere" while its files still change.
    """
    if state.state != "running":
        return next(known for known in get_args(Standing) if known == state.state)
    if lives(ProcessMark(state.pid, state.process_started, state.machine)):
        return "running"
    if state.machine == platform.node() or _quiet_s(folder) > _QUIET_S:
        return "unfinished"
    return "running elsewhere"


def values_digest(values: Mapping[str, Any]) -> str:
    """16 hex digits that are the same for the same values, in any order and in any process."""
    text = json.dumps(strict_json(dict(values)), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _quiet_s(folder: Path) -> float:
    """Seconds since anything directly in `folder` was written."""
    times = [entry.stat().st_mtime for entry in folder.iterdir() if not entry.is_symlink()]
    return time.time() - max(times, default=0.0)
