"""``rows-to-jsonl DATASET``: instruction or chat rows as chats, one JSON object a line."""

from __future__ import annotations

import argparse

from training_pro.cli import tool_options
from training_pro.cli.terminal import Bar, say

HELP = "turn the rows of a dataset into chats, one JSON object a line"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="a row file of the datasets folder, or a path")
    parser.add_argument(
        "--system", default="", metavar="TEXT", help="system message for the rows that have none of their own"
    )
    tool_options.add_options(parser)


def run(options: argparse.Namespace) -> int:
    folders = tool_options.folders_of(options)
    with Bar() as bar:
        tools = tool_options.tools_of(options, bar)
        name = tools.rows_to_chats(tool_options.dataset_of(options.dataset, folders), options.system)
    say(str(folders.datasets / name))
    return 0
