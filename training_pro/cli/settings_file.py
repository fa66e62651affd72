"""A settings file for a headless run: JSON or YAML, of ours or of the original extension, and ``--set`` over it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from training_pro.cli.common import folders_of
from training_pro.cli.terminal import complain
from training_pro.errors import Fault, SettingsError, UserError
from training_pro.legacy_settings import our_values
from training_pro.settings import (
    DEFAULTS,
    SPECS,
    Settings,
    checked_value,
    from_dict,
    read_json_object,
    settings_text,
    twice_named,
)
from training_pro.words import reason_of

_YAML = (".yaml", ".yml")
_STANDARD_INPUT = Path("-")
_SWITCH = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The file and the overrides."""
    parser.add_argument(
        "settings",
        type=Path,
        nargs="?",
        metavar="SETTINGS",
        help="settings as JSON or YAML, e.g. the training_parameters.json of any run; - reads them from standard "
        "input; without it: the defaults, which --set changes",
    )
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
    return settings_in(options.settings, options.overrides, folders_of(options).datasets)


def checked_settings_of(options: argparse.Namespace, *, named: bool = True) -> Settings:
    """As `settings_of`, with everything checked that can be without a model; with `named` the name too.

    Raises:
        UserError: as `settings_in`; SettingsError has all faults at once.
    """
    from training_pro.session import check_early

    folders = folders_of(options)
    values, faults = _values(options.settings, options.overrides, folders.datasets)
    settings, wrong, more = _good(values)
    faults += more
    try:
        if not any(SPECS[name].group == "data" for name in wrong):
            check_early(settings, folders, named=named and "name" not in wrong)
    except SettingsError as error:
        faults += error.faults
    if faults:
        raise SettingsError(faults)
    return settings


def settings_in(path: Path | None, overrides: list[str], datasets: Path | None = None) -> Settings:
    """The settings in the file, with those of ``--set`` over them; what an old file can't say here goes to
    standard error. An old file's text may be a folder in `datasets`.

    Raises:
        UserError: the file can't be read; SettingsError names all faults of file and overrides at once.
    """
    values, faults = _values(path, overrides, datasets)
    settings, _, more = _good(values)
    if faults or more:
        raise SettingsError([*faults, *more])
    return settings


def _values(path: Path | None, overrides: list[str], datasets: Path | None) -> tuple[dict[str, Any], list[Fault | str]]:
    """The values of the file and of ``--set`` over it, not yet checked, and each ``--set`` without a value."""
    if path is None and not overrides:
        raise UserError("There are no settings. Give a settings file, or at least one --set NAME=VALUE.")
    values, notes = our_values(_read(path), datasets) if path else ({}, [])
    for note in notes:
        complain(f"  {note}")
    faults: list[Fault | str] = []
    for text in overrides:
        name, equals, value = text.partition("=")
        if equals:
            values[name.strip()] = typed(name.strip(), value)
        else:
            faults.append(f"--set {text[:60]!r} sets nothing. Write NAME=VALUE.")
    return values, faults


def _good(values: dict[str, Any]) -> tuple[Settings, list[str], list[Fault]]:
    """The settings with the defaults where a value is wrong, the names of those, and what is wrong with the values."""
    try:
        return from_dict(values), [], []
    except SettingsError as error:
        good = {name: value for name, value in values.items() if _is_good(name, value)}
        return from_dict(good), [name for name in SPECS if name in values and name not in good], [*error.faults]


def _is_good(name: str, value: Any) -> bool:
    try:
        checked_value(name, value)
    except SettingsError:
        return False
    return True


def typed(name: str, value: str) -> Any:
    """What a typed `value` means for the setting `name`: text as it stands, else a switch or a number."""
    default = DEFAULTS.get(name, "")
    if isinstance(default, str):
        return value
    if isinstance(default, bool):
        return _SWITCH.get(value.strip().lower(), value)
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _read(path: Path) -> dict[str, Any]:
    if path == _STANDARD_INPUT:
        return _parsed_yaml(_standard_input(), "on standard input")  # JSON is YAML too
    if path.suffix.lower() not in _YAML:
        return read_json_object(path)
    try:
        return _parsed_yaml(settings_text(path), str(path))
    except OSError as error:
        raise UserError(f"The settings file {path} can't be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"The settings file {path} is not UTF-8 (byte {error.start}); save it as UTF-8.") from None


def _parsed_yaml(text: str, where: str) -> dict[str, Any]:
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        names = [name.value for name, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        twin = twice_named([name for name in names if isinstance(name, str)])
        if twin:
            raise ValueError(f"{twin} appears twice: leave one of them")
        values = yaml.safe_load(text)
        named = {str(name): value for name, value in values.items()} if isinstance(values, dict) else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date with a 13th month, for one
        reason = reason_of(error)
        raise UserError(f"The settings file {where} is not valid YAML ({reason}); correct it.") from None
    if named is None:
        raise UserError(f"The settings file {where} holds a {type(values).__name__}; it must be NAME: VALUE lines.")
    return named


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UserError(f"The settings on standard input are not UTF-8 (byte {error.start}); send UTF-8.") from None
