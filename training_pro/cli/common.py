"""What a command is, the options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.errors import AlreadyFinished, BusyError, Cancelled, NameTaken, NotRunning, UserError
from training_pro.folders import Folders
from training_pro.progress import no_progress

if TYPE_CHECKING:
    from training_pro.session import Session
    from training_pro.training.run import Run
    from training_pro.training.several.team import Team

DTYPES = ("bfloat16", "float16", "float32")
DEFAULT_USER_DATA = Path("user_data")
MODEL_OPTION: dict[str, Any] = {
    "type": Path,
    "metavar": "DIR",
    "help": "a model folder in Hugging Face's layout (default: the included SmolLM2-135M-Instruct)",
}


@dataclass(frozen=True)
class CliCommand:
    """A command of the command line: its options and what it does; `run` returns the exit code."""

    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """``--model``, where things live, and how the model is loaded."""
    parser.add_argument("--model", **MODEL_OPTION)
    parser.add_argument("--model-name", metavar="NAME", help="the model's name in records (default: its folder's name)")
    add_folder_options(parser)


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """Where things live, and how the model is loaded."""
    add_user_data_option(parser)
    parser.add_argument("--loras", type=Path, metavar="DIR", help="the LoRA folder, if it is not in the user data")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--quantization",
        choices=("4-bit", "8-bit", "none"),
        default="4-bit",
        help="how to load a model that is not quantized already (default: 4-bit)",
    )
    kinds.add_argument(
        "--no-4bit", action="store_const", const="none", dest="quantization", help="the same as --quantization none"
    )
    parser.add_argument(
        "--dtype", choices=DTYPES, help="type of the weights that stay unquantized (default: what suits the hardware)"
    )
    parser.add_argument(
        "--compute-dtype", choices=DTYPES, help="type in which 4-bit weights are computed (default: --dtype)"
    )
    parser.add_argument(
        "--quant-type", choices=("nf4", "fp4"), default="nf4", help="kind of the 4-bit weights (default: nf4)"
    )
    parser.add_argument("--double-quant", action="store_true", help="quantize the 4-bit weights' own scales too")


def add_user_data_option(parser: argparse.ArgumentParser, what: str = "") -> None:
    """``--user-data`` alone; `what` is there."""
    what = what or "where datasets, formats, LoRAs and logs are, laid out as in the WebUI"
    parser.add_argument(
        "--user-data",
        type=Path,
        metavar="DIR",
        default=DEFAULT_USER_DATA,
        help=f"{what} (default: {DEFAULT_USER_DATA})",
    )


def folders_of(options: argparse.Namespace) -> Folders:
    """The folders of ``--user-data`` and ``--loras``."""
    return Folders.under(options.user_data, getattr(options, "loras", None))


def own_abbreviations(options: argparse.Namespace) -> frozenset[str]:
    """The person's own list below ``--user-data``.

    Raises:
        DataError: it can't be used.
    """
    from training_pro.text.splitting.abbreviations import read_abbreviations

    return read_abbreviations(folders_of(options).abbreviations)


def session_from(
    options: argparse.Namespace, *, keep_queue: bool = False, writes: bool = True, team: Team | None = None
) -> Session:
    """A session on the standalone host that the options describe, in a team of processes or alone.

    With `keep_queue` its queue's list is on the disk; `writes` False: nothing is written.

    Raises:
        UserError: the model folder can't be used.
    """
    from training_pro.cli.terminal import Bar
    from training_pro.hosts.host import Quantizing
    from training_pro.hosts.standalone import StandaloneHost
    from training_pro.session import Session
    from training_pro.training.several.team import ALONE

    team = team or ALONE

    folders = folders_of(options)
    if writes:
        folders.make()
    quantizing = Quantizing(options.quantization, options.compute_dtype, options.quant_type, options.double_quant)
    progress = Bar() if team.main else no_progress
    host = StandaloneHost(folders, options.model, dtype=options.dtype, quantizing=quantizing, progress=progress)
    if getattr(options, "model_name", None):
        host.call_model(options.model_name)
    return Session(host, folders.queue if keep_queue else None, writes=writes, team=team)


class ExitCode(IntEnum):
    """`DONE`: for a run, all updates, or a stop that was set (``--json`` tells which)."""

    DONE = 0
    FAILED = 1  # a run that had begun, or one that went wrong
    BAD_INPUT = 2  # a wrong call, or settings, data or a model that can't be used; nothing was trained
    INTERRUPTED = 3
    NAME_TAKEN = 4
    BUSY = 5
    NOT_RUNNING = 6
    NOT_YET = 7
    PIPE_CLOSED = 141


_OF_ENDINGS = {
    "finished": ExitCode.DONE,
    "stopped": ExitCode.DONE,
    "interrupted": ExitCode.INTERRUPTED,
    "wrong": ExitCode.FAILED,
}


def of_error(error: UserError | Cancelled) -> ExitCode:
    """The code for what refused a command."""
    if isinstance(error, Cancelled):
        return ExitCode.INTERRUPTED
    if isinstance(error, (NameTaken, AlreadyFinished)):
        return ExitCode.NAME_TAKEN
    if isinstance(error, NotRunning):
        return ExitCode.NOT_RUNNING
    return ExitCode.BUSY if isinstance(error, BusyError) else ExitCode.BAD_INPUT


def of_run(run: Run) -> ExitCode:
    """The code for a run that has ended; what refused it before its folder was opened is bad input."""
    ending, fault = run.status.ending, run.fault
    assert ending is not None
    if ending.kind != "failed":
        return _OF_ENDINGS[ending.kind]
    if isinstance(fault, BusyError) or (isinstance(fault, UserError) and run.history is None):
        return of_error(fault)
    return ExitCode.FAILED
