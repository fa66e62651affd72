"""``merge LORA``: the LoRA merged into its base model, saved as a model folder of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from training_pro.cli import export_options
from training_pro.cli.terminal import Bar, say
from training_pro.export.merge import merge_lora, merged_place
from training_pro.export.room import size_words

HELP = "merge a LoRA into its base model and save it as a model folder"


def add_options(parser: argparse.ArgumentParser) -> None:
    export_options.add_options(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="the folder to make (default: BASE-LORA in the models folder)"
    )
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float16", "float32"),
        default="bfloat16",
        help="what to save the weights in (default: bfloat16; float32 rounds nothing and takes twice the space)",
    )


def run(options: argparse.Namespace) -> int:
    folders, lora = export_options.chosen(options)
    target = export_options.output(options) or merged_place(folders, lora)
    with Bar() as bar:
        merged = merge_lora(lora, target, dtype=options.dtype, replace=options.replace, progress=bar)
    say(f"{lora.name} is merged into {lora.base.name}: {merged.folder} ({size_words(merged.weights_bytes)})")
    for note in merged.notes:
        say(f"  {note}")
    return 0
