"""``dump SETTINGS FILE``: the very blocks that a run would train on, as JSON lines or as text to read."""

from __future__ import annotations

import argparse
from pathlib import Path

from training_pro.cli import common, settings_file
from training_pro.cli.terminal import Bar, say
from training_pro.data.tools import DatasetTools
from training_pro.errors import DataError

HELP = "write the prepared blocks of a run to a file: .txt to read them, else one JSON object a line"


def add_options(parser: argparse.ArgumentParser) -> None:
    settings_file.add_options(parser)
    parser.add_argument(
        "file",
        type=Path,
        help="the file to write; NAME.txt: the text that is trained, to be read; else JSON lines with text, kind, "
        "tokens and trained tokens of each block",
    )
    parser.add_argument("--no-ends", action="store_true", help="without the BOS and EOS that the blocks are given")
    parser.add_argument("--evaluation", action="store_true", help="the blocks to evaluate on, not those to train on")
    parser.add_argument("--overwrite", action="store_true", help="write over a file that is there already")
    common.add_host_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_file.checked_settings_of(options, named=False)
    session = common.session_from(options)
    target = options.file.expanduser().absolute()
    with Bar() as bar:
        prepared = session.check(settings, bar).prepared
        samples = prepared.eval if options.evaluation else prepared.train
        if samples is None:
            raise DataError(
                "There are no blocks to evaluate on; choose an Evaluation Dataset, or Hold out for evaluation."
            )
        DatasetTools(session.host.folders, options.overwrite, bar).write_blocks(samples, target, not options.no_ends)
    say(f"{len(samples):,} blocks are in {target}")
    return 0
