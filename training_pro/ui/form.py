"""All settings as controls: where they stand on the page, how they are read, how they are filled.

Handlers take the form's controls as a set and hand the dict they get to `Form.settings`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import gradio as gr

from training_pro.errors import SettingsError
from training_pro.settings import DEFAULTS, SPECS, Settings, checked_value, from_dict, to_dict
from training_pro.ui.choices import Choices
from training_pro.ui.fields import LISTED, NOTHING, field_update, make_field, meant
from training_pro.ui.labels import AUTO, NUMBERS, WHILE_IT_LEARNS

Values = Mapping[Any, Any]


@dataclass(frozen=True)
class Group:
    """Settings that belong together, under their title in "All settings"."""

    title: str
    names: tuple[str, ...]


ELSEWHERE = ("name", "text_file", "dataset", "format", "hybrid", "lr_scheduler_type", *NUMBERS, *WHILE_IT_LEARNS)
_TITLES = {
    "run": "The run",
    "data": "Data",
    "text": "Text to blocks",
    "adapter": "The LoRA",
    "batch": "Batch and epochs",
    "schedule": "Learning rate",
    "stops": "Stops",
    "checkpoints": "Checkpoints",
    "watch": "Watching",
}


def groups() -> list[Group]:
    """Every setting that has no place of its own on the page, group by group, in the order of `Settings`."""
    return [
        Group(title, tuple(name for name, spec in SPECS.items() if spec.group == group and name not in ELSEWHERE))
        for group, title in _TITLES.items()
    ]


TEXT, ROWS, BOTH = "Text", "Chats and instructions", "Both"
KINDS = (TEXT, ROWS, BOTH)


class Form:
    """The controls by setting name. `controls` fills up as the parts are built; `choices` are those of the lists."""

    def __init__(self, editable: bool, choices: Choices | None = None) -> None:
        self.controls: dict[str, Any] = {}
        self._editable = editable
        self._choices = choices or {}

    def build_kind(self) -> None:
        """Text, rows or both: decides which of the two files counts."""
        self.kind = gr.Radio(
            list(KINDS), value=TEXT, show_label=False, label="Learn from", interactive=self._editable,
            elem_id="tp-kind", elem_classes=["tp-seg"], container=False,
        )  # fmt: skip

    def build_short(self, fields: Mapping[str, tuple[str, str]]) -> None:
        """Settings with a label and a help of their own for this place."""
        for name, (label, info) in fields.items():
            self.build_fields(name, label=label or SPECS[name].label, info=info)

    def build_fields(self, *names: str, **more: Any) -> None:
        """These settings where the page is being built, one after the other."""
        for name in names:
            self.controls[name] = make_field(name, self._editable, self._choices.get(name, ()), **more)

    @property
    def inputs(self) -> set[Any]:
        return {self.kind, *self.controls.values()}

    @property
    def outputs(self) -> list[Any]:
        return [self.kind, *self.controls.values()]

    def values(self, data: Values) -> dict[str, Any]:
        """What the page holds, by setting name, unchecked; a file of the kind that is not chosen doesn't count."""
        values = {name: _given(name, data[control]) for name, control in self.controls.items()}
        kind = data.get(self.kind)
        without = {"dataset": ""} if kind == TEXT else {"text_file": ""} if kind == ROWS else {}
        return {**values, **without, "hybrid": kind == BOTH}

    def settings(self, data: Values) -> Settings:
        """Raises:
        SettingsError: every value that is wrong, all at once.
        """
        return from_dict(self.values(data))

    def kept(self, text: str) -> dict[str, Any]:
        """The values that a browser kept of its form: those that are settings still and in order; {} for none."""
        try:
            values = json.loads(text or "{}")
        except (ValueError, RecursionError):
            return {}
        return _in_order(values) if isinstance(values, dict) else {}

    def fill(self, settings: Settings) -> dict[Any, Any]:
        """Updates that make the page show `settings`."""
        return self.change(to_dict(settings))

    def change(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Updates for these settings alone; files that are filled in decide the kind."""
        updates = {self.controls[name]: field_update(name, value) for name, value in values.items() if self.has(name)}
        if {"text_file", "dataset"} & set(values):
            kind = kind_of(values)
            updates |= {self.kind: gr.update(value=kind), **self.of_kind(kind, updates)}
        return updates

    def of_kind(self, kind: str, updates: Mapping[Any, Any] = MappingProxyType({})) -> dict[Any, Any]:
        """Shows the lists of files that belong to `kind`, beside what `updates` says of them."""
        shown = {"text_file": kind != ROWS, "dataset": kind != TEXT, "format": kind != TEXT}
        return {
            self.controls[name]: {**updates.get(self.controls[name], gr.update()), "visible": visible}
            for name, visible in shown.items()
        }

    def has(self, name: str) -> bool:
        return name in self.controls


def _is_auto(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in ("", AUTO))


def _in_order(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that can be, as their settings have them: a field holds numbers as text, "32"."""
    found = {}
    for name, value in values.items():
        if name not in SPECS:
            continue
        with suppress(SettingsError):
            found[name] = checked_value(name, _given(name, value))
    return found


def kind_of(values: Mapping[str, Any]) -> str:
    """What it learns from with these files."""
    if values.get("hybrid") or (values.get("text_file") and values.get("dataset")):
        return BOTH
    return ROWS if values.get("dataset") else TEXT


def _given(name: str, value: Any) -> Any:
    """Text is taken without the line ends that a paste brings, but for what may have them."""
    if isinstance(DEFAULTS[name], str) and value is None:
        return ""
    if SPECS[name].auto is not None and _is_auto(value):
        return SPECS[name].auto
    if name in LISTED and isinstance(value, str):
        return meant(value, [NOTHING])
    return value.strip() if isinstance(value, str) and name in ("name", "learning_rate", "target_modules") else value
