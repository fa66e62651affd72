"""Tells people elsewhere that a run has ended: webhooks, ntfy, mail and whatever else the package apprise knows.

The addresses hold secrets (topics, tokens, passwords): they are kept in a file of their own that only its owner can
read, never among the settings, and are shown and logged without what is secret. Telling happens in a thread of its own
once the host has its model back, so that nothing that goes wrong with it touches the run. Costs some seconds there.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from training_pro.errors import RunError, UserError
from training_pro.folders import Folders
from training_pro.packages import installed
from training_pro.record.whole_files import make_folder, whole_file
from training_pro.training.status import RunStatus
from training_pro.words import time_words

logger = logging.getLogger(__name__)

ENVIRONMENT = "TRAINING_PRO_NOTIFY"  # more addresses, separated by white space
INSTALL = "pip install -r requirements-notify.txt"
MISSING = f"Telling when a run ends needs the package apprise, which is not installed; run: {INSTALL}"
TEST = ("Training PRO: a test", "Messages arrive. A run tells its end here if the setting Tell when it ends is on.")
NO_ADDRESS = "No address is given to tell when a run ends. Add one under Tools, or with the command notify."
_HOST_IS_NO_SECRET = ("http", "https", "json", "jsons", "xml", "xmls", "form", "forms")
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]{1,30})://\S+$", re.IGNORECASE)
_ERROR = re.compile(r"error=(\d+)")
_MOST_ADDRESSES = 20
_THEIR_LOGS = ("apprise", "urllib3", "requests")
_listening = threading.RLock()  # their logs are the whole process's
_ENDED = {
    "finished": "finished",
    "stopped": "stopped",
    "interrupted": "was interrupted",
    "wrong": "went wrong",
    "failed": "failed",
}


# -- the addresses ---------------------------------------------------------------------------------------------------


def addresses(folders: Folders) -> list[str]:
    """Those of the file, then those of the environment; each once."""
    try:
        written = folders.notify.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        written = []
    lines = [line.strip() for line in written if line.strip() and not line.strip().startswith("#")]
    return list(dict.fromkeys([*lines, *os.environ.get(ENVIRONMENT, "").split()]))


def add_address(folders: Folders, typed: str) -> str:
    """Keep one more address; what to say of it.

    Raises:
        UserError: it is none, or there are too many.
        RunError: the file can't be written.
    """
    address = typed.strip()
    if not _SCHEME.match(address):
        raise UserError("This is no address to tell: it should look like ntfy://TOPIC or https://host/path.")
    if installed("apprise") and _service(address) is None:
        raise UserError(f"{masked(address)} is no address that apprise knows. Correct it after apprise's own list.")
    known = addresses(folders)
    if len(known) >= _MOST_ADDRESSES:
        raise UserError(f"There are {len(known)} addresses already. Remove some first.")
    _write(folders, [*known, address] if address not in known else known)
    return f"Kept: {masked(address)}."


def forget_addresses(folders: Folders) -> None:
    """Take away the file of addresses.

    Raises:
        RunError: the disk refuses.
    """
    try:
        folders.notify.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{folders.notify} can't be removed ({error.strerror or error}). Delete it by hand.") from None


def _write(folders: Folders, lines: Sequence[str]) -> None:
    make_folder(folders.notify.parent)
    with whole_file(folders.notify, private=True) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def masked(address: str) -> str:
    """The address without what may be secret: its kind, and the host where that is one."""
    found = _SCHEME.match(address.strip())
    if found is None:
        return "an address"
    kind = found[1].lower()
    try:
        host = urlsplit(address.strip()).hostname if kind in _HOST_IS_NO_SECRET else None
    except ValueError:
        host = None
    return f"{kind}://{host or ''}\u2026"


# -- telling ---------------------------------------------------------------------------------------------------------


def tell_in_background(folders: Folders, status: RunStatus, on_fault: Callable[[str], None]) -> threading.Thread:
    """Tell all addresses how the run ended, in a thread that a process ending meanwhile waits for."""
    thread = threading.Thread(target=_tell_quietly, args=(folders, status, on_fault), name="telling", daemon=False)
    with suppress(RuntimeError):  # the system has no thread left
        thread.start()
    return thread


def _tell_quietly(folders: Folders, status: RunStatus, on_fault: Callable[[str], None]) -> None:
    try:
        for fault in tell(addresses(folders), *message(status)):
            logger.warning("%s", fault)
            on_fault(fault)
    except Exception as error:  # noqa: BLE001 - what goes wrong here must not reach the run; its text may hold secrets
        logger.warning("The end of the run %s couldn't be told (%s).", status.name, type(error).__name__)


def tell(to: Sequence[str], title: str, text: str) -> list[str]:
    """Send the message to each address; one sentence for each that didn't take it."""
    if not installed("apprise"):
        return [MISSING]
    if not to:
        return [NO_ADDRESS]
    faults = [_sent(address, title, text) for address in to]
    return [fault for fault in faults if fault]


def message(status: RunStatus) -> tuple[str, str]:
    """Title and text for a run that has ended; no paths, no settings."""
    kind, reason = (status.ending.kind, status.ending.reason) if status.ending else ("failed", "unknown")
    lines = [f"{reason[:1].upper()}{reason[1:]}"]
    lines += [f"Update {status.update:,} of {status.total_updates:,}."] if status.total_updates else []
    if status.point is not None:
        lines.append(f"Loss {status.point.smoothed_loss:.3f} after {time_words(status.point.elapsed_s)}.")
    return f"Training PRO: {status.name} {_ENDED[kind]}", "\n".join(lines)


def _sent(address: str, title: str, text: str) -> str:
    service = _service(address)
    if service is None:
        return f"{masked(address)} is no address that apprise knows. Remove it, or correct it."
    with _heard() as said:
        taken = service.notify(title=title, body=text)
    if taken:
        return ""
    code = next((match[1] for line in said for match in [_ERROR.search(line)] if match), "")
    why = f"it answered with error {code}" if code else "it gave no answer"
    return f"{masked(address)} couldn't be told that the run has ended ({why}). Check the address and the connection."


def _service(address: str) -> Any:
    """apprise's service for the address; a web address that it doesn't know is a webhook that takes JSON."""
    import apprise

    with _heard():
        found = apprise.Apprise.instantiate(address, suppress_exceptions=True)
        if found is None and address.lower().startswith(("http://", "https://")):
            webhook = re.sub(r"^http", "json", address, count=1, flags=re.IGNORECASE)
            found = apprise.Apprise.instantiate(webhook, suppress_exceptions=True)
    return found


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What apprise and what it works with say meanwhile; it goes nowhere else, for it may hold secrets."""
    handler, theirs = _Into([]), [logging.getLogger(name) for name in _THEIR_LOGS]
    with _listening:
        before = [(log, log.propagate, log.level) for log in theirs]
        for log in theirs:
            log.propagate = False
            log.setLevel(logging.WARNING)
            log.addHandler(handler)
        try:
            yield handler.lines
        finally:
            for log, propagate, level in before:
                log.removeHandler(handler)
                log.propagate = propagate
                log.setLevel(level)


class _Into(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
