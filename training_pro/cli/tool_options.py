"""The options that the commands on datasets share, and what they stand for."""

from __future__ import annotations

import argparse
from pathlib import Path

from training_pro.cli.common import DEFAULT_USER_DATA
from training_pro.cli.terminal import Bar
from training_pro.data.tools import DatasetTools
from training_pro.folders import Folders


def add_options(parser: argparse.ArgumentParser) -> None:
    """``--overwrite`` and ``--user-data``."""
    parser.add_argument("--overwrite", action="store_true", help="write over a file that is there already")
    parser.add_argument(
        "--user-data",
        type=Path,
        metavar="DIR",
        default=DEFAULT_USER_DATA,
        help="its training/datasets is where datasets are and what is made goes (default: user_data)",
    )


def folders_of(options: argparse.Namespace) -> Folders:
    """The user data's folders."""
    return Folders.under(options.user_data)


def tools_of(options: argparse.Namespace, bar: Bar) -> DatasetTools:
    """The jobs on these folders."""
    return DatasetTools(folders_of(options), options.overwrite, bar)


def dataset_of(given: str, folders: Folders) -> str:
    """The dataset that a person means: one of the datasets folder, else a file by its path."""
    path = Path(given).expanduser()
    if path.exists() and not (folders.datasets / given).exists():
        return str(path.resolve())
    return given
