"""``settings``: every setting with its default and effect, as a Markdown table, or the defaults as JSON."""

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
    "stops": "Stops",
    "checkpoints": "Checkpoints",
    "watch": "Watching",
}

# Where a group is explained.
MORE = {
    "data": "[Datasets](datasets.md)",
    "text": "[From a text to blocks](text.md)",
    "adapter": "[Which numbers](numbers.md), [Target Projections](targets.md), [New words](new-words.md)",
    "schedule": "[Learning rate schedules](schedules.md)",
}

# The feature list of Training_PRO, the extension whose users this is for, where no label here says the same.
KNOWN_FROM = {
    "precise raw text slicer (PRTS)": ("max_tokens", "hard_cut"),
    "target selector": ("targets",),
    "custom schedulers": ("lr_scheduler_type",),
    "Check Dataset and suggest": ("warmup_steps", "save_steps"),
    "checkpoint auto saving": ("save_steps", "save_at_loss"),
}

BEGINNING = """# All settings

The *name* stands in settings files and after [`--set`](command-line.md#model-folders-and-settings). A number outside a
setting's limits is refused, and the message names them. All other controls are in [The page](page.md). `python -m
training_pro settings` writes this page.

A *token* is a word or a piece of one. A *block* is one training sample. An *update* is one step of learning, made from
one or more batches of blocks. An *epoch* is one pass over the data. The *loss* is low when the model predicts well. A
*checkpoint* is a saved state of the run. *Overfitting*: the LoRA repeats the text instead of learning from it."""


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
    yield from BEGINNING.splitlines()
    for group, title in GROUPS.items():
        yield from _table(title, "control | name | default; others | effect", MORE.get(group, ""))
        for name, spec in SPECS.items():
            if spec.group == group:
                yield _row(name, spec)
    yield from _table("Coming from the original Training_PRO", "there | here")
    for feature, names in KNOWN_FROM.items():
        yield f"| {feature} | {', '.join(SPECS[name].label for name in names)} |"


def _table(title: str, columns: str, more: str = "") -> Iterator[str]:
    """The heading of a table, where to read `more`, and the names of its columns."""
    yield from ("", f"## {title}", "")
    if more:
        yield from (f"More: {more}.", "")
    yield from (f"| {columns} |", "|" + "---|" * len(columns.split("|")))


def _row(name: str, spec: Spec) -> str:
    return f"| {spec.label} | `{name}` | {_default(name, spec)} | {_cell(spec.help)} |"


def _default(name: str, spec: Spec) -> str:
    """The default, and what else it may be."""
    default = DEFAULTS[name]
    if isinstance(default, bool):
        return "on" if default else "off"
    if default == spec.auto:
        return f"`auto` ({default:g})"
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    value = f"`{shown}`" if shown else "empty"
    others = [f"`{choice}`" for choice in spec.choices if choice != default]
    return f"{value}; {', '.join(others)}" if others else f"{value} {spec.unit}".rstrip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
