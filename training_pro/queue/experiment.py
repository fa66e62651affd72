"""An experiment: one setting over several values, all else equal, as runs named by the value.

The accumulation study, for one: True Batch Size as large as fits, Gradient Accumulation Steps 1, 2, 4, 8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from training_pro.errors import Fault, RunError, SettingsError
from training_pro.record.names import check_name
from training_pro.settings import DEFAULTS, SPECS, Settings, checked_value

MOST_VALUES = 50
_LISTED = ("lr_scheduler_type", "optimizer")  # choices that depend on what is installed
_NEVER = ("override",)
_SHORT = {
    "gradient_accumulation_steps": "accumulation",
    "lr_scheduler_type": "schedule",
    "neftune_noise_alpha": "neftune",
}
_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


@dataclass(frozen=True)
class Experiment:
    """`base` with the setting `over` at each of `values`."""

    base: Settings
    over: str
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """What its runs have in common."""
        return f"{self.base.name}-{_SHORT.get(self.over, self.over)}"

    def runs(self) -> list[Settings]:
        """The settings of each run, its name made from the value."""
        return [self.base.changed(name=run_name(self.name, value), **{self.over: value}) for value in self.values]


def experiment_settings() -> list[str]:
    """The settings an experiment can be about: numbers, switches and choices."""
    return [name for name in SPECS if name not in _NEVER and _has_values(name)]


def experiment_from(base: Settings, over: str, typed: str) -> Experiment:
    """The experiment over the values in `typed`, separated by commas.

    Raises:
        SettingsError: everything that is wrong with it, all at once.
    """
    if over not in experiment_settings():
        raise SettingsError(
            [f"{over or 'Nothing'} can't be the subject of an experiment. Choose a number, a switch or a choice."]
        )
    faults = _name_faults(base)
    values: list[Any] = []
    for word in typed.split(","):
        try:
            values.append(_value(over, word.strip()))
        except SettingsError as error:
            faults.extend(error.faults)
    names = [run_name("", value) for value in values]
    twice = sorted({str(value) for value, name in zip(values, names, strict=True) if names.count(name) > 1})
    if twice:
        faults.append(f"{', '.join(twice)} is given more than once. Give each value once.")
    if not faults and not 2 <= len(values) <= MOST_VALUES:
        faults.append(f"An experiment with {len(values)} value. Type 2 to {MOST_VALUES} values, separated by commas.")
    if faults:
        raise SettingsError(faults)
    return Experiment(base, over, tuple(values))


def run_name(experiment: str, value: Any) -> str:
    """A name that a LoRA can have: "tales-rank-8", "tales-dropout-0_05"."""
    words = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{experiment}-{re.sub(r'[^0-9A-Za-z_-]+', '_', words)}"


def _has_values(name: str) -> bool:
    return not isinstance(DEFAULTS[name], str) or bool(SPECS[name].choices) or name in _LISTED


def _value(name: str, word: str) -> Any:
    if not word:
        raise SettingsError([f"{SPECS[name].label} ({name}) has an empty value. Remove the comma."])
    if isinstance(DEFAULTS[name], bool):
        return checked_value(name, _SWITCH.get(word.lower(), word))
    return checked_value(name, word)


def _name_faults(base: Settings) -> list[Fault | str]:
    try:
        check_name(base.name)
    except RunError as error:
        return [str(error)]
    return []
