"""``loras``: the LoRAs and runs of the user data, by date or by name."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.cli import common
from training_pro.cli.common import ExitCode
from training_pro.cli.terminal import complain, say, say_json
from training_pro.words import natural_key

if TYPE_CHECKING:
    from training_pro.record.runs import RunSummary

_LEFT_OUT = ("path", "sparkline", "checkpoints")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", choices=("date", "name"), default="date", help="the latest first (default), or by name")
    parser.add_argument("--json", action="store_true", help="one line of JSON per LoRA")
    common.add_user_data_option(parser, "the folder whose LoRAs are listed")
    parser.add_argument("--loras", type=Path, metavar="DIR", help="the LoRA folder, if it is not in the user data")


def run(options: argparse.Namespace) -> int:
    from training_pro.record.runs import list_runs

    folders = common.folders_of(options)
    runs = list_runs(folders)
    if options.by == "name":
        runs = sorted(runs, key=lambda found: natural_key(found.name))
    if not runs:
        complain(f"There is no LoRA in {folders.loras}.")
    for found in runs:
        if options.json:
            values = {name: value for name, value in asdict(found).items() if name not in _LEFT_OUT}
            say_json({**values, "checkpoints": [checkpoint.update for checkpoint in found.checkpoints]})
        else:
            say(_line(found))
    return ExitCode.DONE


def _line(found: RunSummary) -> str:
    """Date, state, updates, loss and name."""
    when = found.created[:16].replace("T", " ") or "unknown"
    updates = f"{found.updates:,} of {found.total_updates:,}" if found.total_updates else "-"
    loss = f"{found.last_loss:.3f}" if found.last_loss is not None else "-"
    return f"{when:<16}  {found.state:<18} {updates:>15}  {loss:>7}  {found.name}"
