"""The options that ``merge`` and ``gguf`` share, and the LoRA that they stand for."""

from __future__ import annotations

import argparse
from pathlib import Path

from training_pro.cli.common import DEFAULT_USER_DATA
from training_pro.export.lora_source import Lora, open_lora
from training_pro.folders import Folders


def add_options(parser: argparse.ArgumentParser) -> None:
    """LORA, ``--checkpoint``, ``--model``, ``--user-data`` and ``--replace``."""
    parser.add_argument("lora", metavar="LORA", help="the name of a LoRA in the user data's loras, or its folder")
    parser.add_argument("--checkpoint", type=int, metavar="UPDATE", help="the checkpoint of this update, not the end")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="the folder of the base model, unquantized if you have it (default: the one that the LoRA names)",
    )
    parser.add_argument(
        "--user-data",
        type=Path,
        metavar="DIR",
        default=DEFAULT_USER_DATA,
        help="where LoRAs and models live, laid out as in the WebUI (default: user_data)",
    )
    parser.add_argument("--replace", action="store_true", help="replace what an earlier call has made there")


def chosen(options: argparse.Namespace) -> tuple[Folders, Lora]:
    """The user data's folders and the LoRA.

    Raises:
        UserError: there is no such LoRA, or its base model is not to be found.
    """
    folders = Folders.under(options.user_data)
    plain_name = Path(options.lora).name == options.lora
    run = folders.loras / options.lora if plain_name else Path(options.lora).expanduser().resolve()
    return folders, open_lora(run, folders, options.checkpoint, options.model)


def output(options: argparse.Namespace) -> Path | None:
    """``--output``, in full; None where it was not given."""
    return options.output.expanduser().absolute() if options.output else None
