"""``gguf LORA``: the LoRA as a GGUF file that llama.cpp lays over any GGUF of the base model."""

from __future__ import annotations

import argparse
from pathlib import Path

from training_pro.cli import export_options
from training_pro.cli.terminal import Bar, say
from training_pro.export.gguf_lora import export_gguf, gguf_place
from training_pro.export.room import size_words

HELP = "save a LoRA as a GGUF file for llama.cpp"


def add_options(parser: argparse.ArgumentParser) -> None:
    export_options.add_options(parser)
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
        help="what to save the weights in (default: float32, which rounds nothing)",
    )


def run(options: argparse.Namespace) -> int:
    _, lora = export_options.chosen(options)
    target = export_options.output(options) or gguf_place(lora, options.dtype)
    with Bar() as bar:
        made = export_gguf(lora, target, dtype=options.dtype, replace=options.replace, progress=bar)
    say(f"{lora.name} is saved for llama.cpp: {made.file} ({size_words(made.size_bytes)}, {made.weights} weights)")
    say(f"  It goes with any GGUF of {lora.base.name}: llama-server -m MODEL.gguf --lora {made.file.name}")
    return 0
