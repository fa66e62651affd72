"""``notify``: who is told when a run ends; with ``--test`` a message now."""

from __future__ import annotations

import argparse
import sys

from training_pro.cli import common
from training_pro.cli.common import ExitCode
from training_pro.cli.terminal import complain, say
from training_pro.training.notify import NO_ADDRESS, TEST, add_address, addresses, forget_addresses, masked, tell


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--add",
        metavar="ADDRESS",
        help="one more address, as apprise writes them: ntfy://TOPIC, https://host/path (a webhook that takes JSON), "
        "mailto://USER:PASSWORD@host, ...; - reads it from standard input",
    )
    parser.add_argument("--remove-all", action="store_true", help="forget all addresses")
    parser.add_argument("--test", action="store_true", help="send a message to all addresses now")
    common.add_user_data_option(parser, "the addresses are kept in its training/notify.txt")


def run(options: argparse.Namespace) -> int:
    folders = common.folders_of(options)
    if options.remove_all:
        forget_addresses(folders)
    if options.add is not None:
        complain(add_address(folders, sys.stdin.readline() if options.add == "-" else options.add))
    known = addresses(folders)
    if not options.test:
        for address in known:
            say(masked(address))
        if not known:
            complain(NO_ADDRESS)
        return ExitCode.DONE
    faults = tell(known, *TEST)
    for fault in faults:
        complain(fault)
    if not faults:
        say(f"Told {len(known)} address{'es' if len(known) > 1 else ''}.")
    return ExitCode.FAILED if faults else ExitCode.DONE
