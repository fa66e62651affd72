"""The LoRA to export and the folder of its base model. Reads two small JSON files and a header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.hosts.embedded import MODEL_NAME, cache_folder
from training_pro.record.adapter_files import (
    CONFIG_FILE,
    OLD_WEIGHTS_FILE,
    WEIGHTS_FILE,
    AdapterInfo,
    check_adapter,
    convert_old_weights,
)
from training_pro.record.checkpoints import checkpoints
from training_pro.record.log import LOG_FILE
from training_pro.small_files import json_in, object_in


@dataclass(frozen=True)
class Lora:
    """A LoRA on disk and the model folder it belongs to.

    `run` is the folder of the run, `folder` that of the adapter: the run's own or one of its checkpoints. `config` is
    the adapter's own. `over_4bit`: the run's record says that the base was in 4-bit while training.
    """

    name: str
    run: Path
    folder: Path
    base: Path
    info: AdapterInfo
    config: Mapping[str, Any]
    over_4bit: bool


def open_lora(
    run: Path, folders: Folders, checkpoint: int | None = None, base: Path | None = None, *, with_base: bool = True
) -> Lora:
    """The LoRA in the folder `run`, as it was at update `checkpoint` if one is given.

    `base` is the folder of its base model; None: the one that the LoRA names. Without `with_base` it need not be
    there. Weights in the original extension's old format are converted to safetensors first.

    Raises:
        RunError: no such LoRA or checkpoint, damaged files, or a base model that can't be found.
    """
    if not run.is_dir():
        raise RunError(f'There is no LoRA "{run.name}" in {run.parent}. Give the name of a LoRA, or its folder.')
    folder = run if checkpoint is None else _checkpoint_of(run, checkpoint)
    if (folder / OLD_WEIGHTS_FILE).is_file() and not (folder / WEIGHTS_FILE).exists():
        convert_old_weights(folder)
    info = check_adapter(folder)
    return Lora(
        name=run.name if checkpoint is None else f"{run.name}-checkpoint-{checkpoint}",
        run=run,
        folder=folder,
        base=(base or (_named_base(folders, run.name, info.base_model) if with_base else Path(info.base_model)))
        .expanduser()
        .resolve(),
        info=info,
        config=json_in(folder / CONFIG_FILE),
        over_4bit=_learned_over_4bit(run),
    )


def _checkpoint_of(run: Path, update: int) -> Path:
    found = [checkpoint for checkpoint in checkpoints(run) if checkpoint.update == update]
    if not found:
        there = ", ".join(str(checkpoint.update) for checkpoint in checkpoints(run)) or "none"
        raise RunError(
            f'The LoRA "{run.name}" has no checkpoint of update {update}. It has: {there}.',
            option=f"--checkpoint {checkpoints(run)[-1].update}" if checkpoints(run) else (),
        )
    return found[-1].path


def _named_base(folders: Folders, name: str, base_model: str) -> Path:
    """The folder of the model that the adapter's config names; it may have been trained on another machine."""
    if base_model:
        last = Path(base_model).name
        places = [Path(base_model), folders.models / last]
        if last == MODEL_NAME:
            places.append(cache_folder() / MODEL_NAME)
        found = [place for place in places if (place / "config.json").is_file()]
        if found:
            return found[0]
    raise RunError(
        f'The base model of the LoRA "{name}" ({base_model or "not named in its config"}) was not found. '
        "Give its folder.",
        option="--model DIR",
    )


def _learned_over_4bit(run: Path) -> bool:
    return object_in(run / LOG_FILE).get("base_loaded_in_4bit") is True
