"""What is there already under the name of a run that is to come, found out when it is added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training_pro.folders import Folders
from training_pro.record.names import run_folder
from training_pro.record.runs import RunSummary, summarize
from training_pro.settings import Settings
from training_pro.training.resume import differences, stored_settings


@dataclass(frozen=True)
class Place:
    """`free`: nothing, or something that may be replaced; `continue`: this very run, unfinished; `done`: this very
    run, at its end; `taken`: anything else, and `sentence` says what and the way out.
    """

    kind: Literal["free", "continue", "done", "taken"]
    sentence: str = ""


def place_of(folders: Folders, settings: Settings) -> Place:
    """Raises:
    RunError: a name that can't be used.
    """
    folder = run_folder(folders, settings.name)
    if settings.override or not folder.exists():
        return Place("free")
    found = summarize(folder)
    before = stored_settings(folder)
    if found.state == "foreign" or before is None:
        return _taken(settings, "it was not trained here")
    different = differences(before, settings)
    if different:
        return _taken(settings, "; ".join(different))
    if found.state in ("running", "running elsewhere"):
        return Place("taken", f'The run "{settings.name}" is going; wait for its end or choose another name.')
    if found.state in ("finished", "stopped"):
        return Place("done", f'The run "{settings.name}" is {_result(found)} already; {_WAYS_OUT}')
    return Place("continue")


_WAYS_OUT = "choose another name, or turn on Override Existing Files."


def _taken(settings: Settings, why: str) -> Place:
    return Place("taken", f'A LoRA named "{settings.name}" exists ({why}); {_WAYS_OUT}')


def _result(found: RunSummary) -> str:
    return f"{found.state} ({found.updates:,} updates)"
