"""``ask PROMPT``: what the base model, LoRAs and their checkpoints answer, at any strength, one below the other."""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING

from training_pro.asking.question import BASE, Question, Sampling, voices_of
from training_pro.cli import common
from training_pro.cli.common import ExitCode
from training_pro.cli.terminal import complain, say, say_json

if TYPE_CHECKING:
    from training_pro.asking.job import Answer

_USUAL = Sampling()


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="what to ask, or how a text begins")
    common.add_host_options(parser)
    parser.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="NAME",
        help="ask this LoRA of the loras folder too, or a checkpoint: NAME/checkpoint-40 (may be given several times)",
    )
    parser.add_argument(
        "--strength",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="X",
        help="how strong the LoRAs are, 0 to 2; several give an answer each (default: 1)",
    )
    parser.add_argument("--lora-only", action="store_true", help="leave out the base model's answer")
    parser.add_argument(
        "--as",
        dest="framing",
        choices=("trained", "plain", "chat"),
        default="trained",
        help="form of the prompt: as the first LoRA was trained (default), as it is, or in the chat template",
    )
    parser.add_argument(
        "--tokens", type=int, default=_USUAL.tokens, help=f"longest answer in tokens (default: {_USUAL.tokens})"
    )
    parser.add_argument(
        "--temperature", type=float, default=_USUAL.temperature, help="0: always the likeliest (default)"
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=_USUAL.top_p,
        help=f"only the likeliest words that together have this probability (default: {_USUAL.top_p})",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same answer (default: 0)")
    parser.add_argument("--json", action="store_true", help="one JSON object for programs")


def run(options: argparse.Namespace) -> int:
    sampling = Sampling(options.tokens, options.temperature, options.top_p, seed=options.seed)
    loras = [*([] if options.lora_only and options.lora else [BASE]), *options.lora]
    question = Question(options.prompt, voices_of(loras, options.strength), options.framing, sampling)
    job = common.session_from(options).ask(question)
    before = signal.signal(signal.SIGINT, lambda *_: job.cancel())
    try:
        asked = job.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    if options.json:
        say_json({"asked": asked.way, "fault": asked.fault, "answers": [_facts(answer) for answer in asked.answers]})
    else:
        for answer in asked.answers:
            _say(answer)
    if asked.fault:
        complain(asked.fault)
    states = {answer.state for answer in asked.answers}
    if asked.fault or "failed" in states:
        return ExitCode.BAD_INPUT
    return ExitCode.INTERRUPTED if "cancelled" in states else ExitCode.DONE


def _say(answer: Answer) -> None:
    say(f"-- {answer.voice.label}")
    if answer.fault:
        complain(answer.fault)
    say(answer.text or "(nothing)")


def _facts(answer: Answer) -> dict[str, object]:
    return {
        "voice": answer.voice.label,
        "lora": answer.voice.lora,
        "strength": answer.voice.strength,
        "state": answer.state,
        "answer": answer.text,
        "tokens": answer.tokens,
        "fault": answer.fault,
    }
