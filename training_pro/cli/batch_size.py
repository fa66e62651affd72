"""``batch-size SETTINGS``: the largest True Batch Size of this machine, found by real updates that leave no trace."""

from __future__ import annotations

import argparse
import dataclasses

from training_pro.cli import common, settings_file
from training_pro.cli.common import ExitCode
from training_pro.cli.terminal import Bar, say, say_json


def add_options(parser: argparse.ArgumentParser) -> None:
    settings_file.add_options(parser)
    common.add_host_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")


def run(options: argparse.Namespace) -> int:
    settings = settings_file.checked_settings_of(options, named=False)
    with Bar() as bar:
        found = common.session_from(options).largest_batch_size(settings, bar)
    if options.json:
        say_json({**dataclasses.asdict(found), "sentence": found.sentence(), "exit_code": int(ExitCode.DONE)})
    else:
        say(found.sentence())
        say(f"--set batch_size={found.batch_size}")
    return ExitCode.DONE
