"""``settings``: every setting with its default, range and effect, as a Markdown table, or the defaults as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from training_pro.cli.terminal import say
from training_pro.settings import DEFAULTS, SPECS, Settings, Spec, to_json

GROUPS = {
    "run": "The run",
    "data": "Data",
    "text": "Text to blocks",
    "adapter": "The LoRA",
    "batch": "Batch and epochs",
    "schedule": "Learning rate",
    "stops": "Stops (the first four can be changed during a run)",
    "checkpoints": "Checkpoints",
    "watch": "Watching",
}

# Where a setting comes from in the feature list of Training_PRO, the extension whose users this is for.
KNOWN_FROM = {
    "max_tokens": "precise raw text slicer (PRTS)",
    "hard_cut": "precise raw text slicer (PRTS); hard cut",
    "overlap": "overlap chunking",
    "dementor": "DEMENTOR learning",
    "add_bos": "BOS on and off",
    "eos": "EOS to each block or to hard cut only",
    "targets": "target selector",
    "batch_size": "True Batch Size",
    "gradient_accumulation_steps": "Gradient accumulation, lowered where it is too high",
    "epochs": "DEMENTOR learning: 1 or 2 epochs",
    "lr_scheduler_type": "custom schedulers",
    "warmup_steps": "Check Dataset and suggest",
    "save_steps": "checkpoint auto saving; Check Dataset and suggest",
    "save_at_loss": "checkpoint auto saving",
    "stop_at_loss": "Stop Loss, changed during training",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the defaults as a settings file to start from")


def run(options: argparse.Namespace) -> int:
    if options.json:
        say(to_json(Settings()).rstrip("\n"))
        return 0
    for line in settings_table():
        say(line)
    return 0


def settings_table() -> Iterator[str]:
    """The page of all settings, line by line, in Markdown."""
    yield "# All settings"
    yield ""
    yield "The name is what you write after `--set` and in settings files. The column *known from* names the feature of"
    yield "the original Training_PRO that became this setting. Buttons and live controls are in [The page](page.md)."
    yield "Made by `python -m training_pro settings`."
    for group, title in GROUPS.items():
        yield ""
        yield f"## {title}"
        yield ""
        yield "| control | name | default | range | effect | known from |"
        yield "|---|---|---|---|---|---|"
        for name, spec in SPECS.items():
            if spec.group == group:
                yield _row(name, spec)


def _row(name: str, spec: Spec) -> str:
    cells = (spec.label, f"`{name}`", _value(DEFAULTS[name]), _range(spec), _cell(spec.help), KNOWN_FROM.get(name, ""))
    return f"| {' | '.join(cells)} |"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`" if str(value) else "empty"


def _range(spec: Spec) -> str:
    if spec.choices:
        return ", ".join(f"`{choice}`" for choice in spec.choices)
    if spec.low is None or spec.high is None:
        return ""
    unit = f" {spec.unit}" if spec.unit else ""
    return f"{spec.low:g} to {spec.high:.10g}{unit}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
