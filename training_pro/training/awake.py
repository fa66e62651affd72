"""Keeps the machine from falling asleep while a run trains, where that is wanted and the system allows it.

By the package wakepy, which is optional. The screen may go dark. Costs nothing while it lasts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from training_pro.packages import installed
from training_pro.training.notify import INSTALL

logger = logging.getLogger(__name__)

MISSING = f"Keeping the machine awake needs the package wakepy, which is not installed; run: {INSTALL}"
REFUSED = "The system doesn't let the machine be kept awake. Turn off sleep in its own settings for long runs."


@contextmanager
def awake(wanted: bool, on_note: Callable[[str], None]) -> Iterator[None]:
    """While entered, the machine does not go to sleep by itself; a sentence to `on_note` where that can't be had."""
    if not wanted:
        yield
        return
    if not installed("wakepy"):
        on_note(MISSING)
        yield
        return
    from wakepy import keep

    mode = keep.running(on_fail="pass")
    try:
        mode.__enter__()
    except Exception as error:  # noqa: BLE001 - a system without its services must not stop a run
        logger.info("wakepy: %s", error)
        on_note(REFUSED)
        yield
        return
    if not mode.active:
        on_note(REFUSED)
    try:
        yield
    finally:
        try:
            mode.__exit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - the run has ended well all the same
            logger.info("wakepy: %s", error)
