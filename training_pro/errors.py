"""The errors a person reads, and the one place that turns any error into such a sentence.

A `UserError`'s text has three parts: what is wrong, the value it has, the way out. Everything else is a
defect: it is logged with its trace and shown as one sentence that says where the trace is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

logger = logging.getLogger("training_pro")


class UserError(Exception):
    """Something the person can fix; its text is the sentence they read.

    `option` is what to type on the command line for the way out ("--existing replace"; several: a tuple), `setting`
    the field of `Settings` that the sentence is about, `code` a short name for programs and tests.
    """

    def __init__(self, text: str, *, option: str | tuple[str, ...] = (), setting: str = "", code: str = "") -> None:
        super().__init__(text)
        self.options = (option,) if isinstance(option, str) else tuple(option)
        self.setting = setting
        self.code = code


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a form: the sentence, the setting it belongs to, what to type for the way out."""

    text: str
    setting: str = ""
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


class SettingsError(UserError):
    """One or more settings are wrong; `faults` holds one each, in the order of the page."""

    def __init__(self, faults: Sequence[Fault | str]) -> None:
        self.faults = tuple(fault if isinstance(fault, Fault) else Fault(fault) for fault in faults)
        options = dict.fromkeys(option for fault in self.faults for option in fault.options)
        super().__init__("\n".join(fault.text for fault in self.faults), option=tuple(options))


class DataError(UserError):
    """A text, a row, a format file or a template can't be used."""


class ModelError(UserError):
    """The loaded model can't do what was asked."""


class RunError(UserError):
    """A run can't start, continue or be found."""


class BusyError(RunError):
    """A run in progress has the name, the folder or the model."""


class NameTaken(RunError):
    """A LoRA of this name exists: the page asks, the command line decides. `can_continue`: exactly. `standing`: what
    became of it, in a few words."""

    def __init__(
        self, text: str, can_continue: bool, *, standing: str = "", option: str | tuple[str, ...] = ()
    ) -> None:
        self.can_continue = can_continue
        self.standing = standing
        super().__init__(text, option=option, setting="name")


class AlreadyFinished(RunError):
    """The run of this name has nothing left to do."""


class NotRunning(RunError):
    """There is no such run, it has ended, or it can't be reached."""


class Cancelled(Exception):
    """Work ended because a person asked for it."""


def explain(error: BaseException, doing: str) -> str:
    """The sentence to show for `error`, which happened while `doing` ("reading the dataset").

    A `UserError` speaks for itself; anything else is logged with its trace.
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, Cancelled):
        return f"Ended on request while {doing}."
    logger.error("Unexpected error while %s", doing, exc_info=error)
    first_line = str(error).strip().split("\n")[0][:300] or "no message"
    what = f"{type(error).__name__}: {first_line}"
    return f"Something unexpected went wrong while {doing}: {what} (the log has the details)."


def faults_of(error: BaseException, doing: str = "") -> list[Fault]:
    """What `explain` says, a fault a line; the last line carries the setting and the options of the error."""
    if isinstance(error, SettingsError):
        return list(error.faults)
    *first, last = explain(error, doing).split("\n")
    setting = error.setting if isinstance(error, UserError) else ""
    return [*map(Fault, first), Fault(last, setting, options_of(error))]


def options_of(error: BaseException) -> tuple[str, ...]:
    """What to type on the command line for the way out of `error`; () where it names none."""
    return error.options if isinstance(error, UserError) else ()


def without_traces(error: BaseException) -> BaseException:
    """`error`, it and all behind it stripped of their traces, which keep alive what the failed calls had in hand:
    tensors, open files."""
    behind: list[BaseException | None] = [error]
    seen: set[int] = set()
    while behind:
        found = behind.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            behind += [found.__cause__, found.__context__]
    return error
