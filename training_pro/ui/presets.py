"""Recipes by name: four that come along, and a person's own as JSON files in ``training/presets``. No gradio.

A preset says how to train, never on what: names, files and prompts stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from training_pro.errors import UserError
from training_pro.folders import Folders
from training_pro.legacy_settings import settings_from
from training_pro.record.whole_files import write_whole
from training_pro.settings import DEFAULTS, Settings, read_json_object, to_dict

PERSONAL = frozenset(
    {"name", "override", "text_file", "dataset", "dataset_kind", "format", "chat_template", "eval_dataset"}
    | {"sample_prompts", "report_to"}
)
_BUILT_IN: dict[str, dict[str, Any]] = {
    "Defaults": {},
    "Style": {"rank": 16, "alpha": 32.0, "learning_rate": 2e-4, "stop_at_loss": 1.5},
    "Knowledge": {
        "rank": 64,
        "alpha": 128.0,
        "targets": "all",
        "epochs": 6.0,
        "max_tokens": 384,
        "stop_at_loss": 0.8,
    },
    "Chat": {
        "loss_on": "assistant",
        "max_tokens": 1024,
        "targets": "all-linear",
        "learning_rate": 1e-4,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0,
        "warmup_ratio": 0.05,
        "eval_percent": 5.0,
    },
    "Long-form DEMENTOR": {
        "dementor": True,
        "overlap": False,
        "max_tokens": 512,
        "epochs": 2.0,
        "lr_scheduler_type": "FP_low_epoch_annealing",
    },
}
# What the tiles say of the presets that come along.
TILES = {
    "Style": "Style\nHow it sounds",
    "Knowledge": "Knowledge\nWhat it knows",
    "Chat": "Chat\nHow it answers",
    "Long-form DEMENTOR": "Long-form\nLong stories: DEMENTOR",
}
_NAME = re.compile(r"[^\W_][\w -]{0,59}")


def preset_names(folders: Folders) -> list[str]:
    """Those that come along, then the person's own in alphabetical order."""
    own = sorted(path.stem for path in folders.presets.glob("*.json")) if folders.presets.is_dir() else []
    return [*_BUILT_IN, *(name for name in own if name not in _BUILT_IN)]


def preset_tiles(folders: Folders) -> list[tuple[str, str]]:
    """What the tiles say, and the preset that each stands for."""
    own = [(f"{name}\nYour preset", name) for name in preset_names(folders) if name not in _BUILT_IN]
    return [*((words, name) for name, words in TILES.items()), *own]


def preset_values(name: str, folders: Folders) -> dict[str, Any]:
    """Every setting that a preset decides, with its value.

    Raises:
        UserError: there is no such preset, or its file can't be used.
    """
    built_in = _BUILT_IN.get(name)
    settings = Settings(**built_in) if built_in is not None else _own(name, folders)
    return {key: value for key, value in to_dict(settings).items() if key not in PERSONAL}


def every_preset(folders: Folders) -> list[dict[str, Any]]:
    """The values of each preset whose file can be used."""
    found = []
    for name in preset_names(folders):
        with suppress(UserError):
            found.append(preset_values(name, folders))
    return found


def keep_preset(name: str, values: Mapping[str, Any], folders: Folders) -> None:
    """Keep a recipe as the person's own preset; one of that name is replaced.

    Raises:
        UserError: a name that can't be used, or a disk that refuses.
    """
    path = _path(name, folders)
    folders.presets.mkdir(parents=True, exist_ok=True)
    recipe = {key: value for key, value in values.items() if key not in PERSONAL and key in DEFAULTS}
    write_whole(path, json.dumps(recipe, indent=2, ensure_ascii=False) + "\n")


def drop_preset(name: str, folders: Folders) -> None:
    """Remove one of the person's own presets.

    Raises:
        UserError: it comes along, or there is none of that name.
    """
    path = _path(name, folders)
    try:
        path.unlink()
    except FileNotFoundError:
        raise UserError(f"There is no preset {name!r} of your own; choose one from the list.") from None
    except OSError as error:
        raise UserError(f"The preset {path} can't be removed ({error.strerror}); check the file.") from None


def _path(name: str, folders: Folders) -> Path:
    name = str(name or "").strip()
    if name in _BUILT_IN:
        raise UserError(f"The preset {name!r} comes along and stays as it is; choose another name.")
    if not _NAME.fullmatch(name):
        raise UserError(f"The preset's name is {name[:80]!r}; use 1 to 60 letters, digits, spaces, - and _.")
    return folders.presets / f"{name}.json"


def _own(name: str, folders: Folders) -> Settings:
    path = _path(name, folders)
    if not path.is_file():
        raise UserError(f"There is no preset {name!r}; refresh the lists and choose another.")
    return settings_from(read_json_object(path))[0]
