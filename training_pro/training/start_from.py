"""A new run that starts from an older LoRA or one of its checkpoints: which folder is meant, and what it dictates.

Ours, those of plain PEFT and the original's are all the same here: rank, alpha, kind and targets are taken from
``adapter_config.json``. Costs the reading of that file, and of the weights' names where the targets are no plain names.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.adapter_files import adapter_config, tensor_names
from training_pro.record.checkpoints import weights_in
from training_pro.settings import SPECS, Settings
from training_pro.training.resume import stored_settings

# These change the base model's own weights, so that the LoRA alone is only half of what was learned.
_NEEDS_ITS_BASE = ("pissa", "olora", "corda", "loftq", "mica", "orthogonal", "lora_ga")
_HEADS = ("lm_head", "embed_tokens", "embed_out", "wte", "embed_in")
TAKEN = (
    "rank",
    "alpha",
    "use_rslora",
    "rslora_alpha",
    "use_dora",
    "targets",
    "target_modules",
    "train_head",
    "train_experts",
)
_PLAIN_NAME = re.compile(r"[\w.-]+")
_LORA = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_[AB](?:\.[^.]+)?\.weight")


def start_folder(start_from: str, folders: Folders) -> Path:
    """The folder with the weights that `start_from` names: a LoRA, LoRA/checkpoint, or a path.

    Raises:
        RunError: there is none, or it holds no weights.
    """
    named = start_from.strip()
    path = Path(named).expanduser()
    tried = [path] if path.is_absolute() else [folders.loras / named, path]
    found = next((place for place in tried if place.is_dir()), None)
    if found is None:
        raise RunError(
            f"There is no LoRA {named[:200]!r} to start from. Give the name of a LoRA, NAME/checkpoint-NUMBER, or the "
            "path of its folder.",
            option="--set start_from=NAME",
            setting="start_from",
        )
    return weights_in(found.resolve())


def started_from(settings: Settings, folders: Folders) -> tuple[Settings, list[str]]:
    """The settings with what the LoRA of Start from dictates, and a sentence on what that changed.

    A run that was begun already keeps what it took, also when that LoRA is gone.

    Raises:
        RunError: no such LoRA, or one that can't be trained further.
    """
    if not settings.start_from.strip():
        return settings, []
    try:
        folder = start_folder(settings.start_from, folders)
        taken = settings.changed(**_dictated(folder))
    except RunError:
        begun = _taken_before(settings, folders)
        if begun is None:
            raise
        taken = begun
    changed = [_words(name, taken) for name in TAKEN if getattr(taken, name) != getattr(settings, name)]
    said = f"Taken from {settings.start_from.strip()}: {', '.join(changed)}."
    return taken, [said] if changed else []


def _taken_before(settings: Settings, folders: Folders) -> Settings | None:
    before = stored_settings(folders.loras / settings.name) if settings.name else None
    if before is None or before.start_from != settings.start_from:
        return None
    return settings.changed(**{name: getattr(before, name) for name in TAKEN})


def _dictated(folder: Path) -> dict[str, Any]:
    """The settings that the LoRA in `folder` was made with.

    Raises:
        RunError: its config can't be read, or it is of a kind that can't be trained here.
    """
    config = adapter_config(folder)
    _check_kind(folder, config)
    ranks = [config["r"], *_numbers(config.get("rank_pattern"))]
    alpha = config.get("lora_alpha")
    alpha = float(alpha) if isinstance(alpha, (int, float)) and not isinstance(alpha, bool) else float(config["r"])
    rank_stabilized = config.get("use_rslora") is True
    return {
        "rank": max(ranks),
        **({"rslora_alpha": alpha} if rank_stabilized else {"alpha": alpha}),
        "use_rslora": rank_stabilized,
        "use_dora": config.get("use_dora") is True,
        "train_head": bool(config.get("modules_to_save")),
        "train_experts": bool(config.get("target_parameters")),
        "targets": "own list",
        "target_modules": ", ".join(_target_names(folder, config)),
    }


def _check_kind(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises:
    RunError: the LoRA needs what a run here has not.
    """
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_NEEDS_ITS_BASE):
        raise _refused(folder, f"it was made with {start}, which changes the model's own weights as well")
    bias = config.get("bias", "none")
    if bias not in ("none", None):
        raise _refused(folder, f"it trains the biases too ({bias})")
    if config.get("trainable_token_indices"):
        raise _refused(folder, "it has new words of its own")
    heads = config.get("modules_to_save") or []
    others = [str(name) for name in heads if str(name).rpartition(".")[2] not in _HEADS] if heads else []
    if others:
        raise _refused(folder, f"it trains {', '.join(others)[:100]} as a whole")


def _refused(folder: Path, why: str) -> RunError:
    return RunError(
        f"A run can't start from the LoRA in {folder}: {why}. Choose another LoRA.",
        option="--set start_from=NAME",
        setting="start_from",
    )


def _target_names(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """What it trains: the names of its config where these say all, else each module's own."""
    named = config.get("target_modules")
    narrowed = any(config.get(name) for name in ("layers_to_transform", "layers_pattern", "exclude_modules"))
    if isinstance(named, list) and named and not narrowed and all(_PLAIN_NAME.fullmatch(str(name)) for name in named):
        return sorted(str(name) for name in named)
    modules = {match[1] for name in tensor_names(folder) if (match := _LORA.fullmatch(name))}
    if not modules:
        raise _refused(folder, "its weights name no module")
    return sorted(modules)


def _numbers(pattern: Any) -> list[int]:
    values = pattern.values() if isinstance(pattern, dict) else ()
    return [value for value in values if isinstance(value, int) and not isinstance(value, bool)]


def _words(name: str, settings: Settings) -> str:
    value = getattr(settings, name)
    if isinstance(value, bool):
        value = "on" if value else "off"
    shown = f"{value:g}" if isinstance(value, (int, float)) else textwrap.shorten(value, 120, placeholder=" ...")
    return f"{SPECS[name].label} {shown}"
