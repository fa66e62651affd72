"""A long library call, run in a thread so that whoever waits can be told how far it is. Costs a look every 0.2 s."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
_LOOK_EVERY_S = 0.2


def watched(work: Callable[[], T], look: Callable[[], None]) -> T:
    """The result of `work()`; meanwhile `look()` is called every 0.2 s.

    Guarantees: `work` has ended when this returns or raises, also where `look` raises `Cancelled`.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not future.done():
            look()
            wait([future], timeout=_LOOK_EVERY_S)
        return future.result()
