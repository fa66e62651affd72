"""The LoRAs that can be used, and their checkpoints, as entries of a list: "tales", "tales/checkpoint-40".

A list reads what `list_runs` reads. Looking up one entry costs a look at its folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.adapter_files import CONFIG_FILE, OLD_WEIGHTS_FILE, WEIGHTS_FILE
from training_pro.record.checkpoints import CheckpointInfo, checkpoints
from training_pro.record.names import run_folder
from training_pro.record.runs import RunSummary

_BETWEEN = "/"  # in no name


@dataclass(frozen=True)
class LoraChoice:
    """A LoRA (`checkpoint` None) or one of its checkpoints: what stands for it, and where its weights are."""

    value: str
    run: Path
    folder: Path
    checkpoint: int | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """The entry as it is read: "tales · checkpoint 40 (end of epoch 1)"."""
        if self.checkpoint is None:
            return self.run.name
        return f"{self.run.name} · checkpoint {self.checkpoint}" + (f" ({self.reason})" if self.reason else "")


def lora_choices(runs: Sequence[RunSummary], *, with_checkpoints: bool = True) -> list[LoraChoice]:
    """What can be used of `runs`, in their order; the checkpoints of each after it, the newest first."""
    found: list[LoraChoice] = []
    for run in runs:
        if has_weights(run.path):
            found.append(LoraChoice(run.name, run.path, run.path))
        if with_checkpoints:
            found += [_of(run.path, one) for one in reversed(run.checkpoints) if one.loadable]
    return found


def chosen_lora(folders: Folders, value: str) -> LoraChoice:
    """The entry that `value` stands for.

    Raises:
        RunError: no LoRA or checkpoint of that name is there.
    """
    name, _, inside = str(value or "").partition(_BETWEEN)
    if not name:
        raise RunError("No LoRA is chosen. Choose one from the list.")
    run = run_folder(folders, name)
    if not inside:
        if not has_weights(run):
            raise RunError(f'There is no LoRA "{name}" in {folders.loras}. Choose one from the list.')
        return LoraChoice(name, run, run)
    found = next((one for one in checkpoints(run) if one.path.name == inside and one.loadable), None)
    if found is None:
        raise RunError(f'The LoRA "{name}" has no {inside[:100]} any more. Choose another from the list.')
    return _of(run, found)


def has_weights(folder: Path) -> bool:
    """Whether there is a LoRA in `folder` that can be used."""
    return (folder / CONFIG_FILE).is_file() and any(
        (folder / name).is_file() for name in (WEIGHTS_FILE, OLD_WEIGHTS_FILE)
    )


def _of(run: Path, found: CheckpointInfo) -> LoraChoice:
    return LoraChoice(f"{run.name}{_BETWEEN}{found.path.name}", run, found.path, found.update, found.reason)
