"""``train SETTINGS``: the very run of the tab, without a page. The same command after a kill just goes on."""

from __future__ import annotations

import argparse
import signal
from types import FrameType
from typing import Any

from training_pro.cli import common, settings_file
from training_pro.cli.terminal import complain, say, watch
from training_pro.record.names import run_folder
from training_pro.session import Existing, Session
from training_pro.settings import Settings
from training_pro.training.run import Run

HELP = "train a LoRA; the same command after a kill goes on where it was"
EXIT_CODES = {"finished": 0, "stopped": 0, "failed": 1, "interrupted": 3}


def add_options(parser: argparse.ArgumentParser) -> None:
    settings_file.add_options(parser)
    common.add_host_options(parser)
    parser.add_argument(
        "--on-top", action="store_true", help="where a LoRA of this name exists: train a new one on top of its weights"
    )


def run(options: argparse.Namespace) -> int:
    settings = settings_file.settings_of(options)
    session = common.session_from(options)
    return train(session, settings, "on top" if options.on_top else _existing(session, settings))


def _existing(session: Session, settings: Settings) -> Existing:
    if settings.override:
        return "replace"
    return "continue" if run_folder(session.host.folders, settings.name).exists() else "ask"


def train(session: Session, settings: Settings, existing: Existing) -> int:
    """Start the run, draw it to its end, print how it ended; the exit code."""
    started = session.start(settings, existing)
    with Signals(started):
        status = watch(started)
    ending = status.ending
    assert ending is not None
    if ending.kind == "failed":
        complain(ending.reason)
    else:
        say(f"{ending.kind.capitalize()}: {ending.reason}.")
    say(f"Files are in {status.folder}")
    return EXIT_CODES[ending.kind]


class Signals:
    """Ctrl-C and SIGTERM end the run cleanly; a second Ctrl-C ends the process."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._run.controls.interrupt_reason and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._run.controls.interrupt(f"ended by {signal.Signals(number).name}")
