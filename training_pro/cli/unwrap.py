"""``unwrap TEXT``: a text without the line ends that were made for width alone."""

from __future__ import annotations

import argparse

from training_pro.cli import tool_options
from training_pro.cli.terminal import Bar, complain, say

HELP = "join the lines of a text that were broken for width alone"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help="a .txt file or a folder of them in the datasets folder, or a path")
    tool_options.add_options(parser)


def run(options: argparse.Namespace) -> int:
    folders = tool_options.folders_of(options)
    with Bar() as bar:
        name, joined = tool_options.tools_of(options, bar).unwrap(tool_options.dataset_of(options.text, folders))
    complain(f"{joined:,} line ends were joined.")
    say(str(folders.datasets / name))
    return 0
