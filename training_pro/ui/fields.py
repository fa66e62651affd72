"""From a setting's `Spec` to the control that shows it. One setting, one control; no list to keep in step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from training_pro.settings import DEFAULTS, SPECS, Spec
from training_pro.ui.labels import shown_value

# Whose choices depend on what is on the disk or installed; what is typed is taken too.
LISTED = frozenset(
    {"text_file", "dataset", "eval_dataset", "format", "chat_template", "lr_scheduler_type", "optimizer"}
)
MANY_LINES = frozenset({"sample_prompts"})
UNITS = {"%": "percent", "tokens": "tokens", "updates": "updates", "blocks": "blocks", "characters": "characters"}
Choice = tuple[str, str]  # what is read, what it stands for
NOTHING: Choice = ("None", "")
WHOLE = "tp-whole"  # in such a field the page's script (assets/page.js) reads 1,024 as 1024


def meant(chosen: str, listed: Sequence[Choice]) -> str:
    """What the chosen entry stands for: gradio 4 sends the words themselves of a list that was opened and left."""
    return dict(listed).get(chosen, chosen)


def make_field(name: str, editable: bool = True, listed: Sequence[Choice] = (), **more: Any) -> Any:
    """The control of the setting `name`, with its default, where the page is being built.

    `listed` are the choices of a setting in `LISTED`; `more` is gradio's.
    """
    spec, default = SPECS[name], DEFAULTS[name]
    same: dict[str, Any] = {
        "label": spec.label,
        "info": spec.help,
        "interactive": editable,
        "elem_id": f"tp-{name.replace('_', '-')}",
        "elem_classes": ["tp-field", "tp-setting", *_unit_class(spec)],
        "min_width": 80,
        **more,
    }
    if isinstance(default, bool):
        return gr.Checkbox(default, **same)
    if name in LISTED:
        return gr.Dropdown(list(listed) or [shown_choice(default)], value=default, allow_custom_value=True, **same)
    if spec.choices:
        return gr.Dropdown(list(spec.choices), value=default, **same)
    if name == "learning_rate" or isinstance(default, str) or spec.auto is not None:
        lines = 3 if name in MANY_LINES else 1
        return gr.Textbox(shown_value(name, default), lines=lines, max_lines=6 if lines > 1 else 1, **same)
    # Whole numbers too arrive as typed, so that 1.5 is refused: gradio would silently round it to 2.
    if isinstance(default, int):
        same["elem_classes"] = [*same["elem_classes"], WHOLE]
    return gr.Number(default, step=spec.step, **same)


def shown_choice(value: str) -> Choice:
    """An entry of a list."""
    return (value, value) if value else NOTHING


def field_update(name: str, value: Any) -> Any:
    """Sets the control of `name` to `value`."""
    return gr.update(value=shown_value(name, value))


def _unit_class(spec: Spec) -> list[str]:
    """The style sheet writes the unit into the field."""
    return [f"tp-unit-{UNITS[spec.unit]}"] if spec.unit in UNITS else []
