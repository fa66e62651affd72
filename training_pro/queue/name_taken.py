"""What already exists under the name of a run, found out when the run is added to the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training_pro.errors import Fault
from training_pro.folders import Folders
from training_pro.record.names import run_folder
from training_pro.record.runs import summarize
from training_pro.settings import Settings
from training_pro.training.resume import differences, stored_settings
from training_pro.training.start_from import started_from


@dataclass(frozen=True)
class Place:
    """`free`: nothing, or something that may be replaced; `continue`: this very run, unfinished; `done`: this very
    run, finished; `taken`: anything else, and `fault` says what and the way out.
    """

    kind: Literal["free", "continue", "done", "taken"]
    fault: Fault | None = None


def place_of(folders: Folders, settings: Settings) -> Place:
    """Raises:
    RunError: a name that can't be used.
    """
    folder = run_folder(folders, settings.name)
    if settings.override or not folder.exists():
        return Place("free")
    settings, _ = started_from(settings, folders)
    found = summarize(folder)
    before = stored_settings(folder)
    if found.state == "foreign" or before is None:
        return _taken(settings, "it was not trained here")
    different = differences(before, settings)
    if different:
        return _taken(settings, "; ".join(different))
    if found.state in ("running", "running elsewhere"):
        text = f'The run "{settings.name}" is in progress. Wait until it has finished, or choose another name.'
        return Place("taken", Fault(text, "name", ("--set name=NAME",)))
    if found.state in ("finished", "stopped", "wrong"):
        result = "has already gone wrong" if found.state == "wrong" else f"is already {found.state}"
        return Place("done", _fault(f'The run "{settings.name}" {result} ({found.updates:,} updates).'))
    return Place("continue")


def _taken(settings: Settings, why: str) -> Place:
    return Place("taken", _fault(f'A LoRA named "{settings.name}" exists ({why}).'))


def _fault(what: str) -> Fault:
    text = f"{what} Choose another name, or turn on Override Existing Files."
    return Fault(text, "name", ("--set name=NAME", "--set override=on"))
