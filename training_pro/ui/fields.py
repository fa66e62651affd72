"""From a setting's `Spec` to the control that shows it. One setting, one control; no list to keep in step."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import gradio as gr

from training_pro.settings import DEFAULTS, SPECS, Spec

# Whose choices depend on what is on the disk or installed; what is typed is taken too.
LISTED = frozenset(
    {"text_file", "dataset", "eval_dataset", "format", "chat_template", "lr_scheduler_type", "optimizer"}
)
MANY_LINES = frozenset({"sample_prompts"})
# Where a hand on a slider is enough up to here; "Wide ranges" gives the rest.
SLIDERS: dict[str, float | None] = {
    "rank": 256,
    "alpha": 512,
    "rslora_alpha": 128,
    "batch_size": 64,
    "gradient_accumulation_steps": 64,
    "max_tokens": 4096,
    "dropout": None,
    "hybrid_text_percent": None,
    "hybrid_data_percent": None,
    "eval_percent": None,
    "warmup_ratio": None,
    "weight_decay": None,
    "neftune_noise_alpha": None,
    "stop_at_loss": None,
    "save_at_loss": None,
}
WIDENED = tuple(name for name, most in SLIDERS.items() if most is not None)
Choice = tuple[str, str]  # what is read, what it stands for
NOTHING: Choice = ("None", "")


def meant(chosen: str, listed: Sequence[Choice]) -> str:
    """What the chosen entry stands for: gradio 4 sends the words themselves of a list that was opened and left."""
    return dict(listed).get(chosen, chosen)


def make_field(name: str, editable: bool = True, listed: Sequence[Choice] = ()) -> Any:
    """The control of the setting `name`, with its default, where the page is being built.

    `listed` are the choices of a setting in `LISTED`.
    """
    spec, default = SPECS[name], DEFAULTS[name]
    same: dict[str, Any] = {
        "label": spec.label,
        "info": spec.help,
        "interactive": editable,
        "elem_id": f"tp-{name.replace('_', '-')}",
        "elem_classes": ["tp-setting"],
        "min_width": 220,
    }
    if isinstance(default, bool):
        return gr.Checkbox(default, **same)
    if name in LISTED:
        return gr.Dropdown(list(listed) or [shown_choice(default)], value=default, allow_custom_value=True, **same)
    if spec.choices:
        return gr.Dropdown(list(spec.choices), value=default, **same)
    if name in SLIDERS:
        return gr.Slider(spec.low, _slider_end(name, spec), value=default, step=spec.step, **same)
    if name == "learning_rate" or isinstance(default, str):
        lines = 3 if name in MANY_LINES else 1
        return gr.Textbox(shown_value(name, default), lines=lines, max_lines=6 if lines > 1 else 1, **same)
    return gr.Number(default, precision=0 if isinstance(default, int) else None, step=spec.step, **same)


def shown_choice(value: str) -> Choice:
    """An entry of a list."""
    return (value, value) if value else NOTHING


def shown_value(name: str, value: Any) -> Any:
    """A setting's value as its control has it: learning rates as people write them, "3e-4"."""
    if name != "learning_rate":
        return value
    return f"{Decimal(repr(float(value))).normalize():e}".replace("e+", "e")


def field_update(name: str, value: Any) -> Any:
    """Sets the control of `name` to `value`; a slider that ends before it is made longer."""
    most = SLIDERS.get(name)
    if most is not None and value > most:
        return gr.update(value=value, maximum=SPECS[name].high)
    return gr.update(value=shown_value(name, value))


def widened(name: str, wide: bool) -> Any:
    """Lets a slider go to the setting's own end, or only as far as is usual."""
    return gr.update(maximum=SPECS[name].high if wide else SLIDERS[name])


def _slider_end(name: str, spec: Spec) -> float:
    end = SLIDERS[name] or spec.high
    assert end is not None
    return end
