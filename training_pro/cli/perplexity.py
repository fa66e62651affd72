"""``perplexity FILE``: how well models predict a text, without and with LoRAs; each figure is kept in the table."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.cli import common
from training_pro.cli.common import ExitCode
from training_pro.cli.terminal import Bar, complain, say, with_options
from training_pro.data.files import find_dataset
from training_pro.perplexity import DEFAULT_CONTEXT_TOKENS, DEFAULT_STRIDE, WITHOUT, Measuring
from training_pro.record.lora_choices import chosen_lora
from training_pro.record.perplexity_table import Measurement, PerplexityTable

if TYPE_CHECKING:
    from training_pro.perplexity import PerplexityJob

_LOOK_AGAIN_S = 0.2


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a text, a folder of texts or a dataset: a path, or a name in the datasets folder")
    parser.add_argument("--model", **{**common.MODEL_OPTION, "action": "append", "default": []})
    common.add_folder_options(parser)
    parser.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="NAME",
        help="measure without and with this LoRA of the loras folder, or with a checkpoint: NAME/checkpoint-40 "
        "(may be given several times)",
    )
    parser.add_argument("--lora-only", action="store_true", help="leave out the figure without a LoRA")
    parser.add_argument(
        "--context",
        type=int,
        default=DEFAULT_CONTEXT_TOKENS,
        metavar="TOKENS",
        help=f"how much the model sees at once (default {DEFAULT_CONTEXT_TOKENS})",
    )
    parser.add_argument(
        "--stride",
        type=int,
        metavar="TOKENS",
        help=f"how far the window moves; smaller is slower and more accurate (default {DEFAULT_STRIDE}, or half the "
        "context)",
    )
    parser.add_argument("--no-bos", action="store_true", help="no BOS before each window")
    parser.add_argument("--comment", default="", help="a comment for the table")


def run(options: argparse.Namespace) -> int:
    given = Path(options.file).expanduser()
    text = str(given.resolve()) if given.exists() else options.file
    folders = common.folders_of(options)
    find_dataset(text, folders.datasets)
    for lora in options.lora:  # before a model is loaded, and a long text measured without it
        chosen_lora(folders, lora)
    without = () if options.lora_only and options.lora else (WITHOUT,)
    measuring = Measuring(
        text=text,
        loras=(*without, *options.lora),
        context_tokens=options.context,
        stride=options.stride or min(DEFAULT_STRIDE, max(options.context // 2, 1)),
        add_bos=not options.no_bos,
        comment=options.comment,
    )
    codes = [_all_figures(options, model, measuring) for model in options.model or [None]]
    say(f"Kept in {PerplexityTable(folders).path}")
    return max(codes)


def _all_figures(options: argparse.Namespace, model: Path | None, measuring: Measuring) -> int:
    """All figures of one model; the exit code."""
    session = common.session_from(argparse.Namespace(**{**vars(options), "model": model}))
    job = session.measure(measuring)
    before = signal.signal(signal.SIGINT, lambda *_: job.interrupt())
    try:
        return _watched(job, options.takes)
    finally:
        signal.signal(signal.SIGINT, before)
        session.host.release()


def _watched(job: PerplexityJob, takes: frozenset[str]) -> int:
    """Draw the measurement until it has ended; its figures and notes are printed as they come."""
    told: tuple[str, ...] = ()
    drawn: tuple[int, int, str] = (0, 0, "")
    with Bar() as bar:
        while True:
            status = job.status
            lines = (*status.notes, *map(line_of, status.done))
            new = [line for line in lines if line not in told]
            if new:
                bar.clear()
            for line in new:
                say(line)
            told = lines
            if not status.running:
                bar.ending = "interrupted" if status.interrupted else "failed" if status.faults else "done"
                break
            if status.progress[1] and status.progress != drawn:
                drawn = status.progress
                bar(*drawn[:2], drawn[2].partition(": perplexity")[0])
            time.sleep(_LOOK_AGAIN_S)
    for fault in status.faults:
        complain(with_options(fault.text, fault.options, takes))
    if status.faults:
        return ExitCode.FAILED
    return ExitCode.INTERRUPTED if status.interrupted else ExitCode.DONE


def line_of(measured: Measurement) -> str:
    """A figure as a line of the terminal."""
    lora = f"with {measured.lora}" if measured.lora else "without a LoRA"
    return (
        f"{measured.perplexity:12,.4f}  {measured.model} ({measured.quantization}) {lora} on {measured.text}: "
        f"{measured.tokens:,} tokens, context {measured.context:,}, stride {measured.stride:,}"
        f"{', BOS' if measured.bos else ''}"
    )
