"""Faults put into the system's own calls: the n-th one fails, or the process dies there."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = ((os, "fsync"), (os, "replace"), (os, "rename"), (os, "open"), (os, "mkdir"), (io, "open"))
CLEANING = ((os, "unlink"), (os, "rmdir"), (os, "scandir"))


class Killed(BaseException):
    """Stands for kill -9: nothing after it takes effect."""


class Faults:
    """Counts calls; at number `at` raises, and when `dead`, at every later one too."""

    def __init__(self, at: int, code: int | None) -> None:
        self.at, self.code, self.count = at, code, 0

    @property
    def fired(self) -> bool:
        return self.count >= self.at

    def before(self) -> None:
        self.count += 1
        if self.code is None and self.fired:
            raise Killed
        if self.code is not None and self.count == self.at:
            raise OSError(self.code, os.strerror(self.code))


def _wrapped(real: Any, faults: Faults) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        faults.before()
        return real(*args, **kwargs)

    return call


@contextmanager
def failing_call(at: int, code: int = errno.ENOSPC) -> Iterator[Faults]:
    """The `at`-th writing call fails with `code`; all others work."""
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(at, code)
        for module, name in CALLS:
            patch.setattr(module, name, _wrapped(getattr(module, name), faults))
        yield faults


@contextmanager
def killed_at(at: int) -> Iterator[Faults]:
    """From the `at`-th call on, nothing works any more; ends quietly."""
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(at, None)
        for module, name in CALLS + CLEANING:
            patch.setattr(module, name, _wrapped(getattr(module, name), faults))
        try:
            yield faults
        except Killed:
            return
