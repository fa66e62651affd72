"""The commands that export a LoRA: merge it into its base model, or save it as a GGUF file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.cli import common
from training_pro.cli.common import CliCommand
from training_pro.cli.terminal import Bar, complain, say
from training_pro.folders import Folders

if TYPE_CHECKING:
    from training_pro.export.lora_source import Lora
    from training_pro.export.other_programs import Usage


def _add_options(parser: argparse.ArgumentParser) -> None:
    """LORA, ``--checkpoint``, ``--model``, ``--user-data`` and ``--replace``."""
    parser.add_argument("lora", metavar="LORA", help="the name of a LoRA in the user data's loras, or its folder")
    parser.add_argument(
        "--checkpoint", type=int, metavar="UPDATE", help="use the checkpoint of this update, not the finished LoRA"
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="the folder of the base model, unquantized if you have it (default: the one that the LoRA names)",
    )
    common.add_user_data_option(parser, "where LoRAs and models are, laid out as in the WebUI")
    parser.add_argument("--replace", action="store_true", help="replace an earlier result of this command")


def _chosen(options: argparse.Namespace) -> tuple[Folders, Lora]:
    """The user data's folders and the LoRA.

    Raises:
        UserError: there is no such LoRA, or its base model isn't found.
    """
    from training_pro.export.lora_source import open_lora

    folders = common.folders_of(options)
    plain_name = Path(options.lora).name == options.lora
    run = folders.loras / options.lora if plain_name else Path(options.lora).expanduser().resolve()
    return folders, open_lora(run, folders, options.checkpoint, options.model)


def _output(options: argparse.Namespace) -> Path | None:
    """``--output``, in full; None where it was not given."""
    return options.output.expanduser().absolute() if options.output else None


def _merge_options(parser: argparse.ArgumentParser) -> None:
    _add_options(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="the folder to make (default: BASE-LORA in the models folder)"
    )
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float16", "float32"),
        default="bfloat16",
        help="the type of the saved weights (default: bfloat16; float32 rounds nothing and takes twice the space)",
    )


def _merge(options: argparse.Namespace) -> int:
    from training_pro.export.merge import merge_lora, merged_place
    from training_pro.export.other_programs import use_merged
    from training_pro.words import size_words

    folders, lora = _chosen(options)
    target = _output(options) or merged_place(folders, lora)
    with Bar() as bar:
        merged = merge_lora(lora, target, dtype=options.dtype, replace=options.replace, progress=bar)
    say(f"{lora.name} is merged into {lora.base.name}: {merged.folder} ({size_words(merged.weights_bytes)})")
    for note in merged.notes:
        say(f"  {note}")
    if merged.rounded_away:
        share = f"{100 * merged.rounding.share:.1f} %"
        complain(f"Warning: rounding is {share} of the LoRA's change. --dtype float32 --replace saves it without.")
    _say_usage(use_merged(lora, merged.folder, folders))
    return 0


def _gguf_options(parser: argparse.ArgumentParser) -> None:
    _add_options(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the file to write (default: LORA-lora-f32.gguf in the LoRA's folder)",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16"),
        default="float32",
        help="the type of the saved weights (default: float32, which rounds nothing)",
    )
    parser.add_argument(
        "--ollama-from",
        default="",
        metavar="BASE",
        help="the base for Ollama's Modelfile: its name there, or a GGUF file (default: one in the models folder)",
    )


def _gguf(options: argparse.Namespace) -> int:
    from training_pro.export.gguf_lora import export_gguf, gguf_place
    from training_pro.export.other_programs import use_gguf
    from training_pro.words import size_words

    folders, lora = _chosen(options)
    target = _output(options) or gguf_place(lora, options.dtype)
    with Bar() as bar:
        made = export_gguf(lora, target, dtype=options.dtype, replace=options.replace, progress=bar)
    say(f"{lora.name} is saved for llama.cpp: {made.file} ({size_words(made.size_bytes)}, {made.weights} weights)")
    say(f"  It works with any GGUF of {lora.base.name}.")
    _say_usage(use_gguf(lora, made.file, folders, options.ollama_from))
    return 0


def _say_usage(usage: Usage) -> None:
    """How other programs use what was made, a line each."""
    say(f"  llama.cpp:  {usage.llama_cpp.splitlines()[-1]}")
    say(f"  Ollama:     {' && '.join(usage.ollama)}")
    say(f"  textgen:    {usage.textgen}")
    say(f"  LM Studio:  {usage.lm_studio}")


MERGE = CliCommand(_merge_options, _merge)
GGUF = CliCommand(_gguf_options, _gguf)
