"""``split DATASET``: its rows, at random, into one file to train on and one to evaluate on."""

from __future__ import annotations

import argparse

from training_pro.cli import tool_options
from training_pro.cli.terminal import Bar, say
from training_pro.settings import DEFAULTS

HELP = "split a dataset into NAME_train.jsonl and NAME_eval.jsonl"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="a row file of the datasets folder, or a path")
    parser.add_argument(
        "--percent", type=float, default=10.0, metavar="P", help="rows to evaluate on, in per cent (default: 10)"
    )
    parser.add_argument("--seed", type=int, default=DEFAULTS["seed"], help="another seed draws other rows")
    tool_options.add_options(parser)


def run(options: argparse.Namespace) -> int:
    folders = tool_options.folders_of(options)
    with Bar() as bar:
        tools = tool_options.tools_of(options, bar)
        names = tools.split(tool_options.dataset_of(options.dataset, folders), options.percent, options.seed)
    for name in names:
        say(str(folders.datasets / name))
    return 0
