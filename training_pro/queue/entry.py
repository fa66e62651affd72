"""One run of the queue: its settings, and what has become of it. As plain JSON on the disk."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from training_pro.errors import RunError
from training_pro.record.process import ProcessMark
from training_pro.settings import Settings, from_dict, to_dict
from training_pro.words import utc_now

State = Literal["waiting", "running", "finished", "stopped", "interrupted", "failed"]
_NOBODY = ProcessMark(0, "", "")


@dataclass(frozen=True)
class Entry:
    """A run that waits, goes or has ended; `reason` is the sentence on how it ended.

    `experiment` names what it belongs to, "" for none. `begun` is when it was last started (UTC, ISO 8601), "" for
    never: from then on a folder of its name that is not older is its own. `continues`: an unfinished run of this
    name was there when it was added. `process` is the one that trains it, or trained it last.
    """

    settings: Settings
    key: str = field(default_factory=lambda: secrets.token_hex(4))
    state: State = "waiting"
    reason: str = ""
    options: tuple[str, ...] = ()
    experiment: str = ""
    begun: str = ""
    continues: bool = False
    updates: int = 0
    total_updates: int = 0
    last_loss: float | None = None
    process: ProcessMark = _NOBODY

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def has_ended(self) -> bool:
        return self.state not in ("waiting", "running")

    def changed(self, **changes: Any) -> Entry:
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)

    def starting(self, process: ProcessMark) -> Entry:
        """The entry as its run starts now in `process`."""
        return self.changed(state="running", reason="", begun=utc_now(), process=process)


def entry_to_dict(entry: Entry) -> dict[str, Any]:
    """The entry as JSON values."""
    values = {name: getattr(entry, name) for name in _KINDS}
    return {**values, "settings": to_dict(entry.settings), "process": dataclasses.asdict(entry.process)}


def entry_from_dict(values: Any) -> Entry:
    """Raises:
    UserError: what was written makes no sense.
    """
    if not isinstance(values, Mapping) or not isinstance(values.get("settings"), Mapping):
        raise RunError("An entry of the queue has no settings; add the run again.")
    wrong = [name for name, kinds in _KINDS.items() if name in values and not isinstance(values[name], kinds)]
    if wrong or values.get("state") not in get_args(State):
        raise RunError(f"An entry of the queue makes no sense ({', '.join(wrong) or 'state'}); add the run again.")
    plain = {name: values[name] for name in _KINDS if name in values}
    plain["options"] = tuple(plain.get("options", ()))
    return Entry(settings=from_dict(values["settings"]), process=_process(values.get("process")), **plain)


def _process(values: Any) -> ProcessMark:
    try:
        return ProcessMark(int(values["pid"]), str(values["started"]), str(values["machine"]))
    except (TypeError, KeyError, ValueError, OverflowError):
        return _NOBODY


_KINDS: dict[str, tuple[type, ...]] = {
    "key": (str,),
    "state": (str,),
    "reason": (str,),
    "options": (list, tuple),
    "experiment": (str,),
    "begun": (str,),
    "continues": (bool,),
    "updates": (int,),
    "total_updates": (int,),
    "last_loss": (float, int, type(None)),
}
