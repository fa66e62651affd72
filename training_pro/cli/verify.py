"""``verify SETTINGS``: what a run would be, without training; ``train --dry-run`` does the same and writes nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from training_pro.cli import common, settings_file
from training_pro.cli.common import ExitCode
from training_pro.cli.terminal import Bar, say, say_json
from training_pro.settings import Settings

if TYPE_CHECKING:
    from training_pro.session import Existing, Session


def add_options(parser: argparse.ArgumentParser) -> None:
    settings_file.add_options(parser)
    common.add_host_options(parser)
    parser.add_argument(
        "--time", action="store_true", help="measure how long the run would take, with a few real updates"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")


def run(options: argparse.Namespace) -> int:
    settings = settings_file.checked_settings_of(options, named=False)
    session = common.session_from(options)
    if options.time:
        with Bar() as bar:
            session.measure_speed(settings, bar)
    return verified(session, settings, options.json)


def verified(session: Session, settings: Settings, as_json: bool, existing: Existing | None = None) -> int:
    """Print what the run would be; the exit code says whether it could start.

    `existing` says what happens to a LoRA of its name; None: not asked.

    Raises:
        RunError: the run can't begin like this.
    """
    from training_pro.cli.report import json_of, lines_of

    with Bar() as bar:
        checked = session.check(settings, bar, existing or "ask")
    begins = session.beginning(settings, existing, checked) if existing is not None else ""
    refusals = checked.verification.refusals
    code = ExitCode.BAD_INPUT if refusals else ExitCode.DONE
    if as_json:
        say_json({**json_of(checked), "begins": begins, "exit_code": int(code)})
    else:
        for line in [*lines_of(checked), *([begins] if begins else [])]:
            say(line)
    return code
