"""Reads the command line and calls the command. Exit codes: 0 done, 1 failed, 2 wrong call, 3 ended early."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from training_pro.cli import (
    blocks,
    demo,
    experiment,
    gguf,
    merge,
    perplexity,
    queue,
    sentences,
    settings,
    train,
    ui,
    verify,
)
from training_pro.cli.terminal import complain
from training_pro.errors import Cancelled, UserError, explain

COMMANDS = (demo, ui, train, queue, experiment, verify, perplexity, merge, gguf, blocks, sentences, settings)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="python -m training_pro", description="LoRA training for text-generation models"
    )
    root.add_argument("--verbose", action="store_true", help="log what happens")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rsplit(".", 1)[-1]
        sub = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_options(sub)
        sub.set_defaults(run=module.run)
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR, format="%(name)s: %(message)s")
    try:
        return int(options.run(options))
    except (UserError, Cancelled) as error:
        complain(explain(error, options.command))
        return 1
    except BrokenPipeError:  # the reader (head, less) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        complain("Ended.")
        return 130
