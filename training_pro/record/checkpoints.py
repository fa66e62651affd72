"""The checkpoints of a run: which there are, why each was written, and whether it can be resumed exactly.

Looking costs a header read and a few stats per checkpoint.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training_pro.errors import RunError
from training_pro.record.adapter_files import CONFIG_FILE, OLD_WEIGHTS_FILE, WEIGHTS_FILE
from training_pro.record.safetensors_file import tensor_places
from training_pro.record.whole_files import write_json_whole
from training_pro.small_files import json_in, object_in
from training_pro.values import salvaged
from training_pro.words import reason_of

CHECKPOINT_FILE = "training_checkpoint.json"
RESUME_STATE_FILE = "run_state.json"  # what a checkpoint carries besides the Trainer's own files
_FOLDER = re.compile(r"checkpoint-(\d{1,15})(?:-(.*))?", re.DOTALL)  # the original says after it why it was written
_LOSS_ENDING, _EPOCH_ENDING = re.compile(r"loss-(\d{1,3})_(\d{1,6})"), re.compile(r"epoch-(\d{1,6})")
_FOR_RESUMING = ("trainer_state.json", "scheduler.pt")
_OPTIMIZER_STATES = ("optimizer.pt", "optimizer.bin", "optimizer_0")  # of a sharded model a folder, or gathered
_RANDOM_STATES = "rng_state*.pth"


@dataclass(frozen=True)
class CheckpointNote:
    """What is written into a checkpoint about itself; `reason` is the sentence to show."""

    update: int
    reason: str = ""
    loss: float | None = None
    eval_loss: float | None = None
    written: str = ""  # UTC, ISO 8601


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint as found. `complete`: it can be resumed exactly; else `fault` says what it lacks.

    `loadable`: its weights are whole, so training can continue "on top of the weights" and it can be used.
    """

    path: Path
    update: int
    reason: str
    loss: float | None
    eval_loss: float | None
    written: str
    loadable: bool
    complete: bool
    fault: str


def write_checkpoint_note(folder: Path, note: CheckpointNote) -> None:
    """Write the note into the checkpoint's folder, before that takes its place.

    Raises:
        RunError: it couldn't be written.
    """
    write_json_whole(folder / CHECKPOINT_FILE, asdict(note))


def checkpoints(run: Path) -> list[CheckpointInfo]:
    """The checkpoints in a run's folder by update; links and temporaries are none."""
    try:
        entries = [entry for entry in run.iterdir() if entry.is_dir() and not entry.is_symlink()]
    except OSError:
        return []
    matches = [(entry, _FOLDER.fullmatch(entry.name)) for entry in entries]
    looked = [_look_if_there(entry, int(match[1])) for entry, match in matches if match]
    found = [checkpoint for checkpoint in looked if checkpoint is not None]
    return sorted(found, key=lambda checkpoint: (checkpoint.update, checkpoint.path.name))


def newest_first(run: Path) -> list[CheckpointInfo]:
    """The checkpoints in a run's folder, the newest update first."""
    return list(reversed(checkpoints(run)))


def weights_in(folder: Path) -> Path:
    """The folder that holds a LoRA's weights: `folder` itself or, for a run that never ended, its newest checkpoint.

    Raises:
        RunError: there are none.
    """
    if any((folder / name).is_file() for name in (WEIGHTS_FILE, OLD_WEIGHTS_FILE)):
        return folder
    for checkpoint in newest_first(folder):
        if checkpoint.loadable:
            return checkpoint.path
    raise RunError(f'The LoRA "{folder.name}" has no weights to train on top of; replace it or choose another name.')


def read_resume_state(checkpoint: CheckpointInfo) -> dict[str, Any]:
    """The content of ``run_state.json``.

    Raises:
        RunError: the checkpoint is not whole.
    """
    if not checkpoint.complete:
        raise RunError(f"{checkpoint.fault} Resume from another checkpoint.")
    path = checkpoint.path / RESUME_STATE_FILE
    try:
        state = json_in(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} can't be read ({reason_of(error)}). Resume from another checkpoint.") from None
    if not isinstance(state, dict) or not isinstance(state.get("update"), int):
        raise RunError(f"{path} has no update number. Resume from another checkpoint.")
    return state


def _look_if_there(folder: Path, update: int) -> CheckpointInfo | None:
    """None for one that was rotated away, or whose run was moved, while it was looked at."""
    try:
        return _look(folder, update)
    except FileNotFoundError:
        return None


def _look(folder: Path, update: int) -> CheckpointInfo:
    note = _read_note(folder, update)
    weights_fault = _weights_fault(folder)
    fault = weights_fault or _state_fault(folder)
    return CheckpointInfo(
        path=folder,
        update=update,
        reason=note.reason,
        loss=note.loss,
        eval_loss=note.eval_loss,
        written=note.written,
        loadable=not weights_fault,
        complete=not fault,
        fault=fault,
    )


def _weights_fault(folder: Path) -> str:
    if not (folder / CONFIG_FILE).is_file():
        return f"{folder.name} has no {CONFIG_FILE}."
    if not (folder / WEIGHTS_FILE).is_file() and (folder / OLD_WEIGHTS_FILE).is_file():
        return ""
    if not (folder / WEIGHTS_FILE).is_file():
        return f"{folder.name} has no {WEIGHTS_FILE}."
    try:
        tensor_places(folder / WEIGHTS_FILE)
    except RunError as error:
        return str(error)
    return ""


def _state_fault(folder: Path) -> str:
    missing = [name for name in _FOR_RESUMING if not _has_content(folder / name)]
    if not any(_has_content(folder / name) or (folder / name).is_dir() for name in _OPTIMIZER_STATES):
        missing.append(_OPTIMIZER_STATES[0])
    if not any(_has_content(path) for path in folder.glob(_RANDOM_STATES)):
        missing.append("rng_state.pth")
    if missing:
        return f"{folder.name} lacks {', '.join(missing)}: it can be continued on top of its weights, not exactly."
    return ""


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _read_note(folder: Path, update: int) -> CheckpointNote:
    """What the checkpoint says about itself; of a wrong note what is right. The original says it in the name."""
    found = object_in(folder / CHECKPOINT_FILE)
    return salvaged(CheckpointNote, {**_said_by_name(folder.name), **found, "update": update})


def _said_by_name(name: str) -> dict[str, Any]:
    """What the original's ``checkpoint-40-loss-1_75``, ``-epoch-2`` and ``-user`` mean."""
    match = _FOLDER.fullmatch(name)
    ending = match[2] if match and match[2] else ""
    if loss := _LOSS_ENDING.fullmatch(ending):
        return {"reason": f"loss fell to {loss[1]}.{loss[2]}", "loss": float(f"{loss[1]}.{loss[2]}")}
    if epoch := _EPOCH_ENDING.fullmatch(ending):
        return {"reason": f"end of epoch {epoch[1]}"}
    return {"reason": "asked for by hand" if ending == "user" else ending.replace("-", " ")[:100]}
