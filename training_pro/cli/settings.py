"""``settings``: every setting with its default, range and effect, as a Markdown table, or the defaults as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from training_pro.cli.terminal import say
from training_pro.settings import DEFAULTS, SPECS, Settings, Spec, to_json

HELP = "print every setting: name, default, range and effect"
GROUPS = {
    "run": "The run",
    "data": "Data",
    "text": "Text to blocks",
    "adapter": "The LoRA",
    "batch": "Batch and epochs",
    "schedule": "Learning rate",
    "stops": "Stops (can be moved while it trains: the first three)",
    "checkpoints": "Checkpoints",
    "watch": "Watching",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the defaults as a settings file to start from")


def run(options: argparse.Namespace) -> int:
    if options.json:
        say(to_json(Settings()).rstrip("\n"))
        return 0
    for line in table():
        say(line)
    return 0


def table() -> Iterator[str]:
    """The page of all settings, line by line, in Markdown."""
    yield "# All settings"
    yield ""
    yield "Made by `python -m training_pro settings`. The name in code is for `--set` and for settings files."
    for group, title in GROUPS.items():
        yield ""
        yield f"## {title}"
        yield ""
        yield "| control | name | default | range | effect |"
        yield "|---|---|---|---|---|"
        for name, spec in SPECS.items():
            if spec.group == group:
                yield f"| {spec.label} | `{name}` | {_value(DEFAULTS[name])} | {_range(spec)} | {_cell(spec.help)} |"


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
