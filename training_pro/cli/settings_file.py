"""A settings file for a headless run: JSON or YAML, of ours or of the original extension, and ``--set`` over it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from training_pro.cli.terminal import complain
from training_pro.errors import SettingsError, UserError
from training_pro.legacy_settings import settings_from
from training_pro.settings import DEFAULTS, SPECS, Settings, read_json_object

_YAML = (".yaml", ".yml")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The file and the overrides."""
    parser.add_argument("settings", type=Path, help="settings as JSON or YAML (training_parameters.json of any run)")
    add_overrides(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """``--set``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="overrides",
        help="override a setting, e.g. --set learning_rate=1e-4 (may be given several times)",
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings the options describe.

    Raises:
        UserError: as `settings_in`.
    """
    return settings_in(options.settings, options.overrides)


def settings_in(path: Path, overrides: list[str]) -> Settings:
    """The settings in the file, with those of ``--set`` over them; what an old file can't say here is told on
    standard error.

    Raises:
        UserError: the file can't be read; SettingsError names all faults at once.
    """
    settings, notes = settings_from(_read(path))
    for note in notes:
        complain(f"  {note}")
    return settings.changed(**dict(_override(text) for text in overrides)) if overrides else settings


def _read(path: Path) -> dict[str, Any]:
    if path.suffix.lower() not in _YAML:
        return read_json_object(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"The settings file {path} can't be read ({error.strerror}); check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"The settings file {path} is not valid YAML ({reason}); correct it.") from None
    if not isinstance(values, dict):
        raise UserError(f"The settings file {path} holds a {type(values).__name__}; it must be NAME: VALUE lines.")
    return values


def _override(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or name not in SPECS:
        raise SettingsError([f"--set {text!r} names no setting; write NAME=VALUE with a name from the docs."])
    if isinstance(DEFAULTS[name], str):
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
