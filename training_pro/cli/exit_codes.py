"""What a command's end tells a script."""

from __future__ import annotations

from enum import IntEnum

from training_pro.errors import BusyError, Cancelled, UserError
from training_pro.remote.terminal_side import NotRunning
from training_pro.session import AlreadyFinished, NameTaken
from training_pro.training.run import Run


class ExitCode(IntEnum):
    """`DONE`: for a run, all updates, or a stop that was set (``--json`` tells which)."""

    DONE = 0
    FAILED = 1  # a run that had begun
    BAD_INPUT = 2  # a wrong call, or settings, data or a model that can't be used; nothing was trained
    INTERRUPTED = 3
    NAME_TAKEN = 4
    BUSY = 5
    NOT_RUNNING = 6
    NOT_YET = 7
    PIPE_CLOSED = 141


_OF_ENDINGS = {"finished": ExitCode.DONE, "stopped": ExitCode.DONE, "interrupted": ExitCode.INTERRUPTED}


def of_error(error: UserError | Cancelled) -> ExitCode:
    """The code for what stood against a command."""
    if isinstance(error, Cancelled):
        return ExitCode.INTERRUPTED
    if isinstance(error, (NameTaken, AlreadyFinished)):
        return ExitCode.NAME_TAKEN
    if isinstance(error, NotRunning):
        return ExitCode.NOT_RUNNING
    return ExitCode.BUSY if isinstance(error, BusyError) else ExitCode.BAD_INPUT


def of_run(run: Run) -> ExitCode:
    """The code for a run that has ended; what stood against it before its folder was opened is bad input."""
    ending, fault = run.status.ending, run.fault
    assert ending is not None
    if ending.kind != "failed":
        return _OF_ENDINGS[ending.kind]
    if isinstance(fault, BusyError) or (isinstance(fault, UserError) and run.history is None):
        return of_error(fault)
    return ExitCode.FAILED
