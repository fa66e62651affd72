"""A time limit for code that isn't ours and may never come back: a chat template can loop without end."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

T = TypeVar("T")


def within_seconds(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns, or raises.

    Raises:
        TimeoutError: it took longer. It is asked to end, which pure Python does at its next step.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix="training-pro-time-limit")
    try:
        ident = executor.submit(threading.get_ident).result()
        future = executor.submit(work)
        try:
            return future.result(seconds)
        except FutureTimeoutError:
            if future.done():
                raise
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(SystemExit))
            raise TimeoutError from None
    finally:
        executor.shutdown(wait=False)
