"""``download URL``: a dataset file from the web into the datasets folder."""

from __future__ import annotations

import argparse

from training_pro.cli import tool_options
from training_pro.cli.terminal import Bar, say
from training_pro.data.download import MAX_BYTES, Limits, download

HELP = "fetch a dataset file by its address into the datasets folder"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="the file's own address, http:// or https://")
    parser.add_argument(
        "--max-mb",
        type=_megabytes,
        default=MAX_BYTES >> 20,
        metavar="N",
        help=f"most to fetch (default: {MAX_BYTES >> 20})",
    )
    parser.add_argument(
        "--allow-private", action="store_true", help="allow addresses of this machine and of the local network"
    )
    tool_options.add_options(parser)


def run(options: argparse.Namespace) -> int:
    limits = Limits(options.max_mb << 20, options.allow_private, options.overwrite)
    with Bar() as bar:
        target = download(options.url, tool_options.folders_of(options).datasets, limits, bar)
    say(str(target))
    return 0


def _megabytes(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is no number of megabytes; write 1 or more")
    return int(given)
