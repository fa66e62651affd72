"""The commands that make a LoRA from LoRAs, or compare them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.cli import common
from training_pro.cli.common import CliCommand
from training_pro.cli.terminal import say, say_json
from training_pro.folders import Folders
from training_pro.words import size_words

if TYPE_CHECKING:
    from training_pro.export.lora_source import Lora
    from training_pro.export.lora_tools import Comparison, Made


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, metavar="NAME", help="the name of the new LoRA, in the loras folder")
    parser.add_argument("--replace", action="store_true", help="replace an earlier result of this command")
    common.add_user_data_option(parser, "where LoRAs are, laid out as in the WebUI")


def _opened(names: list[str], folders: Folders) -> list[Lora]:
    from training_pro.export.lora_source import open_lora

    runs = [folders.loras / name if Path(name).name == name else Path(name).expanduser().resolve() for name in names]
    return [open_lora(run, folders, with_base=False) for run in runs]


def _target(options: argparse.Namespace, folders: Folders) -> Path:
    from training_pro.record.names import check_name

    return folders.loras / check_name(options.name)


def _say(made: Made) -> int:
    say(f"Saved {made.folder} (rank {made.largest_rank}, {size_words(made.size_bytes)})")
    if made.error:
        say(f"  It differs from the exact result by {made.error:.2%} of that result's change to the weights.")
    return 0


def _bake_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lora", metavar="LORA", help="the name of a LoRA, or its folder")
    parser.add_argument(
        "--strength",
        type=float,
        required=True,
        metavar="X",
        help="how strong it becomes (0.5: half; usual: 0.3 to 1.5)",
    )
    _add_target(parser)


def _bake(options: argparse.Namespace) -> int:
    from training_pro.export.lora_tools import bake

    folders = common.folders_of(options)
    [lora] = _opened([options.lora], folders)
    return _say(bake(lora, options.strength, _target(options, folders), replace=options.replace))


def _combine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="LORA", help="two or more LoRAs of the same base: names or folders")
    parser.add_argument(
        "--weights", type=float, nargs="+", metavar="X", help="how strong each of them is (default: 1 for each)"
    )
    parser.add_argument(
        "--rank", type=int, metavar="R", help="the rank of the result (default: the sum of the ranks, which is exact)"
    )
    _add_target(parser)


def _combine(options: argparse.Namespace) -> int:
    from training_pro.export.lora_tools import combine

    folders = common.folders_of(options)
    loras = _opened(options.names, folders)
    weights = options.weights or [1.0] * len(loras)
    return _say(combine(loras, weights, _target(options, folders), rank=options.rank, replace=options.replace))


def _shrink_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lora", metavar="LORA", help="the name of a LoRA, or its folder")
    parser.add_argument("--rank", type=int, required=True, metavar="R", help="the new rank, smaller than that of LORA")
    _add_target(parser)


def _shrink(options: argparse.Namespace) -> int:
    from training_pro.export.lora_tools import shrink

    folders = common.folders_of(options)
    [lora] = _opened([options.lora], folders)
    return _say(shrink(lora, options.rank, _target(options, folders), replace=options.replace))


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="LORA", help="one or two LoRAs of the same base: names or folders")
    parser.add_argument("--modules", action="store_true", help="list each weight, not only the layers")
    parser.add_argument("--json", action="store_true", help="one JSON object for programs")
    common.add_user_data_option(parser, "where LoRAs are, laid out as in the WebUI")


def _compare(options: argparse.Namespace) -> int:
    from training_pro.export.lora_tools import compare

    loras = _opened(options.names, common.folders_of(options))
    found = compare(loras)
    if options.json:
        say_json(_facts(found))
        return 0
    width = max(16, *(len(lora.name) for lora in loras))
    say(f"{'norm of the change':<40}" + "".join(f"{lora.name:>{width + 2}}" for lora in loras))
    rows = [(row.module, row.norms) for row in found.modules] if options.modules else found.by_layer()
    for name, norms in [*rows, ("all", found.norms)]:
        label = name if options.modules or name in ("all", "other") else f"layer {name}"
        say(f"{label:<40}" + "".join(f"{norm:>{width + 2}.4g}" for norm in norms))
    if found.cosine is not None:
        say(f"Cosine of both changes: {found.cosine:.4f} (1: the same direction, 0: unrelated, -1: opposite)")
    return 0


def _facts(found: Comparison) -> dict[str, object]:
    modules = [
        {"module": r.module, "norms": list(r.norms), "ranks": list(r.ranks), "cosine": r.cosine} for r in found.modules
    ]
    return {"norms": list(found.norms), "cosine": found.cosine, "modules": modules}


BAKE = CliCommand(_bake_options, _bake)
COMBINE = CliCommand(_combine_options, _combine)
SHRINK = CliCommand(_shrink_options, _shrink)
COMPARE = CliCommand(_compare_options, _compare)
