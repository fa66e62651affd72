"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training_pro.folders import Folders
from training_pro.session import Session

DEFAULT_USER_DATA = Path("user_data")
MODEL_OPTION: dict[str, Any] = {
    "type": Path,
    "metavar": "DIR",
    "help": "a model folder in Hugging Face's layout (default: the embedded SmolLM2-135M-Instruct)",
}


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """``--model``, ``--user-data`` and ``--no-4bit``."""
    parser.add_argument("--model", **MODEL_OPTION)
    add_folder_options(parser)


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """``--user-data`` and ``--no-4bit``."""
    add_user_data_option(parser)
    parser.add_argument("--no-4bit", action="store_true", help="load the model as it is, not quantized to 4 bits")


def add_user_data_option(parser: argparse.ArgumentParser) -> None:
    """``--user-data`` alone."""
    parser.add_argument(
        "--user-data",
        type=Path,
        metavar="DIR",
        default=DEFAULT_USER_DATA,
        help="where datasets, formats, LoRAs and logs live, laid out as in the WebUI (default: user_data)",
    )


def folders_of(options: argparse.Namespace) -> Folders:
    """The folders of ``--user-data``."""
    return Folders.under(options.user_data)


def own_abbreviations(options: argparse.Namespace) -> frozenset[str]:
    """The person's own list below ``--user-data``.

    Raises:
        DataError: it can't be used.
    """
    from training_pro.text.abbreviations import read_abbreviations

    return read_abbreviations(folders_of(options).abbreviations)


def session_from(options: argparse.Namespace, *, keep_queue: bool = False, writes: bool = True) -> Session:
    """A session on the standalone host that the options describe.

    With `keep_queue` its queue's list is on the disk; `writes` False: for looking only.

    Raises:
        UserError: the model folder can't be used.
    """
    from training_pro.cli.terminal import Bar
    from training_pro.hosts.standalone import StandaloneHost

    folders = folders_of(options)
    if writes:
        folders.make()
    host = StandaloneHost(folders, options.model, load_in_4bit=not options.no_4bit, progress=Bar())
    return Session(host, folders.queue if keep_queue else None, writes=writes)
