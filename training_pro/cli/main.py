"""Reads the command line and calls the command; what comes back is an `ExitCode`.

A command's module is imported when the command is used, and heavy libraries when its work begins: help costs some
0.2 s, where torch, transformers and PEFT together cost 6 s.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import sys
from typing import Any

from training_pro.cli.common import ExitCode, of_error
from training_pro.cli.terminal import complain, say_json, with_options
from training_pro.errors import Cancelled, UserError, explain, faults_of

COMMANDS = {  # name: where it is (a module of this folder, or an attribute of one), what it does
    "demo": ("demo", "train the included model in 4-bit on the sample text and show what it learned"),
    "ui": ("ui", "open the training page in a browser, without the WebUI"),
    "train": ("train", "train a LoRA; after an interruption the same command resumes it"),
    "control": ("control", "steer a run in progress: stops, checkpoint, sample, pause, resume, learning rate, status"),
    "queue": ("queue", "train several LoRAs one after another; a failed run does not stop the others"),
    "experiment": ("experiment", "train with one setting at several values and compare the runs"),
    "loras": ("loras", "list the LoRAs and runs, by date or by name"),
    "verify": ("verify", "check settings and data and print what the run would be"),
    "batch-size": ("batch_size", "find the largest True Batch Size that fits in memory, by trying"),
    "notify": ("notify", "send a message when a run ends (webhook, ntfy and others); --test sends one now"),
    "perplexity": ("perplexity", "measure the perplexity of models on a text, without and with LoRAs"),
    "ask": ("ask", "ask the base model, LoRAs and checkpoints the same question, at any strength"),
    "merge": ("export.MERGE", "merge a LoRA into its base model and save it as a model folder"),
    "gguf": ("export.GGUF", "save a LoRA as a GGUF file for llama.cpp"),
    "bake": ("lora_tools.BAKE", "save a LoRA at another strength"),
    "combine": ("lora_tools.COMBINE", "add LoRAs of the same base together, each with a weight"),
    "shrink": ("lora_tools.SHRINK", "save a LoRA at a smaller rank and say how much is lost"),
    "compare": ("lora_tools.COMPARE", "show where LoRAs change the model, how much, and how alike they are"),
    "download": ("datasets.DOWNLOAD", "download a dataset or a format file into its folder"),
    "files": ("datasets.LIST", "list the texts and datasets of the datasets folder, and what in it can't be used"),
    "convert": ("datasets.CONVERT", "write a book, PDF, page or subtitles as plain text, or any text as UTF-8"),
    "split": ("datasets.SPLIT", "split a dataset into NAME_train.jsonl and NAME_eval.jsonl"),
    "rows-to-jsonl": ("datasets.ROWS_TO_JSONL", "turn the rows of a dataset into chats, one JSON object per line"),
    "text-to-jsonl": ("datasets.TEXT_TO_JSONL", "turn the sections of a text into chats, one JSON object per line"),
    "questions": (
        "questions.WRITE",
        "let the model write a question for each section of a text; the same command resumes",
    ),
    "questions-to-jsonl": ("questions.TO_JSONL", "turn the questions you keep into chats that the text answers"),
    "log-to-jsonl": ("datasets.LOG_TO_JSONL", "turn a chat log (WhatsApp, Telegram, Discord, IRC) into chats"),
    "clean": ("datasets.CLEAN", "remove control characters, HTML entities and tags from a text"),
    "cut": ("datasets.CUT", "turn the scene breaks and chapter headings of a text into hard cuts"),
    "unwrap": ("datasets.UNWRAP", "join the lines of a hard-wrapped text"),
    "dump": ("datasets.DUMP", "write the prepared blocks of a run to a file: as text (.txt) or as JSON lines"),
    "blocks": ("blocks", "print the blocks of a text file as JSON lines"),
    "sentences": ("sentences", "print the sentences of a text file, one JSON string per line"),
    "settings": ("settings", "print every setting: name, default and effect"),
}


def program() -> str:
    """How the command line was called: the console command's name, or the module."""
    called = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 - a name, whether or not it is a path
    return "training-pro" if called.startswith("training-pro") else "python -m training_pro"


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The command line, with the options of `command` alone, or of all."""
    root = argparse.ArgumentParser(prog=program(), description="LoRA training for text-generation models")
    root.add_argument("--verbose", action="store_true", help="log what happens")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (place, help_) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        if command in (None, name):
            found = _at(place)
            found.add_options(sub)
            sub.set_defaults(run=found.run, takes=frozenset(re.findall(r"--[a-z0-9-]+", sub.format_help())))
    return root


def _at(place: str) -> Any:
    module, _, attribute = place.partition(".")
    found = importlib.import_module(f"training_pro.cli.{module}")
    return getattr(found, attribute) if attribute else found


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    options = parser(next((word for word in words if word in COMMANDS), "")).parse_args(words)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR, format="%(name)s: %(message)s")
    try:
        return int(options.run(options))
    except (UserError, Cancelled) as error:
        code, sentence = of_error(error), explain(error, options.command)
        for fault in faults_of(error, options.command):
            complain(with_options(fault.text, fault.options, options.takes))
        if getattr(options, "json", False):
            say_json({"refused": sentence, "exit_code": int(code)})
        return code
    except BrokenPipeError:  # the reader (head, less) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PIPE_CLOSED
    except KeyboardInterrupt:
        complain("Ended.")
        return 130
