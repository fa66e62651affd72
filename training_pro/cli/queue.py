"""``queue SETTINGS...``: several runs one after another. The same command after a kill resumes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pro.cli import common, settings_file
from training_pro.cli.common import ExitCode
from training_pro.cli.terminal import complain, say, watch, with_options
from training_pro.cli.train import Signals
from training_pro.errors import Fault, SettingsError, UserError, faults_of
from training_pro.settings import Settings

if TYPE_CHECKING:
    from training_pro.queue.entry import Entry
    from training_pro.queue.run_queue import Added
    from training_pro.session import Session

_LOOK_AGAIN_S = 0.2


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("settings", type=Path, nargs="+", help="settings of the runs, as JSON or YAML, in their order")
    settings_file.add_overrides(parser)
    common.add_host_options(parser)


def run(options: argparse.Namespace) -> int:
    runs = _runs(options.settings, options.overrides, common.folders_of(options).datasets)
    session = common.session_from(options)
    added = session.queue.add(runs, skip_done=True)
    return work_off(session, added)


def work_off(session: Session, added: Added) -> int:
    """Run what was added, draw each run until it has ended, print how each ended; the exit code."""
    for name in added.done:
        say(f'The run "{name}" has already finished.')
    if not added.entries:
        return ExitCode.DONE
    session.queue.start()
    with Signals(session.queue.interrupt) as signals:
        _draw(session)
    keys = {entry.key for entry in added.entries}
    ended = [entry for entry in session.queue.view().entries if entry.key in keys]
    for line in outcome_lines(ended):
        say(line)
    if signals.received:
        return ExitCode.INTERRUPTED
    well = all(entry.state in ("finished", "stopped") for entry in ended)
    return ExitCode.DONE if well else ExitCode.FAILED


def outcome_lines(entries: list[Entry]) -> Iterator[str]:
    """Each run with its outcome, a line each."""
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        loss = f"loss {entry.last_loss:.3f}" if entry.last_loss is not None else ""
        said = with_options(" ".join(entry.reason.split()), entry.options)
        yield f"  {entry.name:<{width}}  {entry.state:<11}  {loss:<11} {said}".rstrip()


def _runs(paths: list[Path], overrides: list[str], datasets: Path) -> list[Settings]:
    """Raises:
    SettingsError: what is wrong with any of the files.
    """
    faults: list[Fault | str] = []
    runs = []
    for path in paths:
        try:
            runs.append(settings_file.settings_in(path, overrides, datasets))
        except UserError as error:
            faults += [replace(fault, text=f"{path}: {fault}") for fault in faults_of(error)]
    if faults:
        raise SettingsError(faults)
    return runs


def _draw(session: Session) -> None:
    """Draw one run after the other, until the queue has ended."""
    drawn: Any = None
    while not session.queue.wait(_LOOK_AGAIN_S):
        started = session.run
        if started is not None and started is not drawn:
            drawn = started
            complain(f"{started.settings.name}:")
            watch(started)
