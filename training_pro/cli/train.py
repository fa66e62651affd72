"""``train SETTINGS``: the same run as in the tab, without a page. The same command after a kill resumes it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from training_pro.cli import common, settings_file
from training_pro.cli.common import ExitCode, of_error, of_run
from training_pro.cli.terminal import complain, say, say_json, watch, with_options
from training_pro.cli.verify import verified
from training_pro.errors import UserError, explain
from training_pro.folders import Folders
from training_pro.record.names import check_name, run_folder
from training_pro.settings import Settings

if TYPE_CHECKING:
    from training_pro.session import Existing, Session
    from training_pro.training.run import Run
    from training_pro.training.status import Ending

_LOOK_AGAIN_S = 0.5
_WAYS: dict[str, Existing] = {
    "continue": "continue",
    "further": "further",
    "replace": "replace",
    "on-top": "on top",
    "refuse": "refuse",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    settings_file.add_options(parser)
    common.add_host_options(parser)
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--existing",
        choices=tuple(_WAYS),
        help="if a LoRA of this name exists: resume it exactly (the default), train it further until it has the Epochs "
        "of the settings, replace it (the old one is kept aside), train a new one on top of its weights, or refuse",
    )
    existing.add_argument(
        "--further",
        type=float,
        metavar="EPOCHS",
        help="train the finished or stopped run of this name for so many more epochs; without SETTINGS, its own "
        "settings are used, which --set changes. After a kill the same command resumes",
    )
    existing.add_argument(
        "--on-top", action="store_const", const="on-top", dest="existing", help="the same as --existing on-top"
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything, print the plan, write nothing")
    parser.add_argument(
        "--watched",
        action="store_true",
        help="used by the page for the runs that it starts",
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")


def run(options: argparse.Namespace) -> int:
    name_settings_of_further(options)
    if options.dry_run:
        return _dry_run(options, _settings(options))
    from training_pro.training.several.team import join

    team = join()
    try:
        settings = _settings(options)
        session = common.session_from(options, team=team)
        session.watched = options.watched
        existing = way(session, settings, options.existing)
        return train(session, settings, existing, options.json) if team.main else _take_part(session, settings)
    except BaseException as error:
        team.leave("failed", explain(error, "starting the run"))
        if team.main or not isinstance(error, UserError):
            raise
        return of_error(error)


def name_settings_of_further(options: argparse.Namespace) -> None:
    """With ``--further`` and no settings file, the settings are those of the run."""
    if options.further is None:
        return
    options.existing = "further"
    names = [value for name, _, value in (text.partition("=") for text in options.overrides) if name.strip() == "name"]
    if options.settings is None and names:
        from training_pro.record.runs import SETTINGS_FILE

        folder = run_folder(common.folders_of(options), names[-1])
        if (folder / SETTINGS_FILE).is_file():
            options.settings = folder / SETTINGS_FILE


def _settings(options: argparse.Namespace) -> Settings:
    settings = settings_file.checked_settings_of(options)
    if options.further is None:
        return settings
    from training_pro.training.further import further_settings

    return further_settings(run_folder(common.folders_of(options), settings.name), options.further, settings)


def _take_part(session: Session, settings: Settings) -> int:
    """One of several processes; another one does the printing."""
    started = session.start(settings)
    with Signals(started.controls.interrupt):
        while started.wait(_LOOK_AGAIN_S).running:
            pass
    return of_run(started)


def way(session: Session, settings: Settings, chosen: str | None) -> Existing:
    """What happens to a LoRA that has the name: as chosen, else by Override, else it is resumed.

    With Override, too, a killed run is resumed if this very command started it.
    """
    folder = run_folder(session.host.folders, settings.name)
    if not folder.exists():
        return "ask"
    if chosen is None:
        chosen = "replace" if settings.override and not _was_killed(session.host.folders, settings) else "continue"
    return _WAYS[chosen]


def _was_killed(folders: Folders, settings: Settings) -> bool:
    from training_pro.record.runs import summarize
    from training_pro.training.resume import stored_settings
    from training_pro.training.start_from import started_from

    folder = run_folder(folders, settings.name)

    taken, _ = started_from(settings, folders)
    return summarize(folder).state == "unfinished" and stored_settings(folder) == taken


def _dry_run(options: argparse.Namespace, settings: Settings) -> int:
    """Shows what would block the start; nothing is written."""
    settings = settings.changed(name=check_name(settings.name))
    session = common.session_from(options, writes=False)
    existing = way(session, settings, options.existing)
    session.check_start(settings, existing)
    return verified(session, settings, options.json, existing)


def train(session: Session, settings: Settings, existing: Existing, as_json: bool = False) -> int:
    """Start the run, draw it until it has ended, print how it ended; the exit code."""
    started = session.start(settings, existing)
    with Signals(started.controls.interrupt):
        watch(started)
        session.settle()
    code = of_run(started)
    ending = started.status.ending
    assert ending is not None
    tell = complain if as_json or ending.kind in ("failed", "wrong") else say
    tell(_ending_words(ending))
    if started.folder.exists():
        tell(f"Files are in {started.folder}")
    if as_json:
        say_json(_result(started, code))
    return code


def _ending_words(ending: Ending) -> str:
    if ending.kind == "failed":
        return with_options(ending.reason, ending.options)
    if ending.kind == "wrong":
        return with_options(f"The run went wrong. {ending.reason}", ending.options)
    return f"{ending.kind.capitalize()}: {ending.reason}."


def _result(run: Run, code: ExitCode) -> dict[str, object]:
    status = run.status
    assert status.ending is not None
    point = status.point
    return {
        "ending": status.ending.kind,
        "reason": status.ending.reason,
        "update": status.update,
        "total_updates": status.total_updates,
        "loss": point.loss if point else None,
        "smoothed_loss": point.smoothed_loss if point else None,
        "folder": str(run.folder),
        "notes": list(status.notes),
        "warnings": list(status.warnings),
        "exit_code": int(code),
    }


_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # those that this system has


class Signals:
    """While entered, a signal calls `interrupt` with the reason; `received` says whether one came."""

    def __init__(self, interrupt: Callable[[str], None]) -> None:
        self._interrupt = interrupt
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.received:
            _end_at_once(128 + number)
        self.received = True
        self._interrupt(f"ended by {name}")
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _SAVING)


_SAVING = b"\nSaving the LoRA and a checkpoint. Press again to end at once.\n"


def _end_at_once(code: int) -> None:
    """Doesn't wait for threads in the middle of an update; what is on the disk is whole at any time."""
    os._exit(code)
