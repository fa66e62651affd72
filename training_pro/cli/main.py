"""Reads the command line and calls the command; its exit code is one of `exit_codes`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from types import ModuleType

from training_pro.cli import (
    batch_size,
    blocks,
    control,
    demo,
    download,
    dump,
    experiment,
    gguf,
    merge,
    perplexity,
    queue,
    rows_to_jsonl,
    sentences,
    settings,
    split,
    text_to_jsonl,
    train,
    ui,
    unwrap,
    verify,
)
from training_pro.cli.common import ExitCode, of_error
from training_pro.cli.terminal import complain, say_json
from training_pro.cli.ways_out import with_options
from training_pro.errors import Cancelled, UserError, explain

_RUNS = (demo, ui, train, control, queue, experiment, verify, batch_size, perplexity, merge, gguf)
_DATA = (download, split, rows_to_jsonl, text_to_jsonl, unwrap, dump, blocks, sentences)
COMMANDS = (*_RUNS, *_DATA, settings)


def name_of(command: ModuleType) -> str:
    """How a command is called: as its file, with hyphens."""
    return command.__name__.rsplit(".", 1)[-1].replace("_", "-")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="python -m training_pro", description="LoRA training for text-generation models"
    )
    root.add_argument("--verbose", action="store_true", help="log what happens")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        sub = commands.add_parser(name_of(module), help=module.HELP, description=module.HELP)
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
        code, sentence = of_error(error), explain(error, options.command)
        complain(with_options(sentence, options.command))
        if getattr(options, "json", False):
            say_json({"refused": sentence, "exit_code": int(code)})
        return code
    except BrokenPipeError:  # the reader (head, less) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PIPE_CLOSED
    except KeyboardInterrupt:
        complain("Ended.")
        return 130
