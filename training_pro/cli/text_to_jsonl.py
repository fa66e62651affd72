"""``text-to-jsonl TEXT``: each section of a text as the answer to one prompt, one JSON object a line."""

from __future__ import annotations

import argparse

from training_pro.cli import tool_options
from training_pro.cli.terminal import Bar, say
from training_pro.settings import DEFAULTS

HELP = "turn the sections of a text into chats, one JSON object a line"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help="a .txt file or a folder of them in the datasets folder, or a path")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="the question that every section answers")
    parser.add_argument("--system", default="", metavar="TEXT", help="system message before every prompt")
    parser.add_argument(
        "--hard-cut", default=DEFAULTS["hard_cut"], metavar="TEXT", help=r"what parts sections (default: \n\n\n)"
    )
    tool_options.add_options(parser)


def run(options: argparse.Namespace) -> int:
    folders = tool_options.folders_of(options)
    with Bar() as bar:
        tools = tool_options.tools_of(options, bar)
        text = tool_options.dataset_of(options.text, folders)
        name = tools.text_to_chats(text, options.hard_cut, options.system, options.prompt)
    say(str(folders.datasets / name))
    return 0
