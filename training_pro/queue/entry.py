"""One run of the queue: its settings, and what has become of it. As plain JSON on the disk."""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from training_pro.errors import RunError
from training_pro.record.process import ProcessMark
from training_pro.settings import Settings, from_dict, to_dict
from training_pro.values import value_from
from training_pro.words import reason_of, utc_now

State = Literal["waiting", "running", "finished", "stopped", "interrupted", "wrong", "failed"]
_NOBODY = ProcessMark(0, "", "")


@dataclass(frozen=True)
class Entry:
    """A run that is waiting, in progress or ended; `reason` is the sentence on how it ended, `options` its way out.

    `experiment` names what it belongs to, "" for none. `begun` is when it was last started (UTC, ISO 8601), "" for
    never: from then on a folder of its name that is not older is its own. `continues`: an unfinished run of this
    name existed when it was added. `process` is the one that trains it, or trained it last.
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


def entry_from(values: Any) -> Entry:
    """Raises:
    UserError: what was written makes no sense.
    """
    try:
        settings = from_dict(values["settings"])  # of an earlier version too; an unknown name is a fault, not left out
        return value_from(Entry, {**values, "settings": to_dict(settings)})
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise RunError(f"An entry of the queue can't be read ({reason_of(error)}). Add the run again.") from None
