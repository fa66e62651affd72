"""Memory of this process and its device: what is in use, what is free, the peak of some work; and what becomes of
freed memory.

glibc keeps freed heap, so that a process that trains on the CPU grows by gigabytes it no longer needs. Larger pieces
asked for by mmap go back at once instead, but each new one costs page faults: up to a third of the time of an update.
So a run chooses: fast where there is memory enough, small where there is not. Linux only. Watching a peak costs some
50 microseconds.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
from pathlib import Path
from types import TracebackType

import psutil
import torch

from training_pro.cgroup import allowed_bytes

logger = logging.getLogger(__name__)

CARDS = ("cuda", "xpu")  # ROCm calls its cards "cuda"
_MB = 1024 * 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_SMALL_MMAP, _SMALL_TRIM = 1 * _MB, 128 * 1024  # bytes; the second is glibc's own
_FAST_MMAP, _FAST_TRIM = 32 * _MB, 64 * _MB  # glibc allows no more than the first
_PROCESS = psutil.Process()
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_SAMPLE_EVERY_S = 0.01


def process_memory_mb() -> float:
    """What the run takes now, in MB: what torch holds of a card it works on, else the process's resident size."""
    for card in (torch.cuda, torch.xpu):
        if card.is_initialized():  # makes no call to the driver
            return float(card.memory_reserved()) / _MB
    return float(_PROCESS.memory_info().rss) / _MB


def free_bytes(device: torch.device) -> int:
    """What work on `device` may still take: of a card, with what torch holds unused; on the CPU of the machine, or
    of the container if that allows less.
    """
    if device.type in CARDS:
        card = getattr(torch, device.type)
        free, _ = card.mem_get_info(device)
        return int(free + card.memory_reserved(device) - card.memory_allocated(device))
    return min([int(psutil.virtual_memory().available), *allowed_bytes()])


def give_freed_memory_back() -> bool:
    """Give back what is freed now, and from now on freed pieces of 1 MB and more at once; whether that was possible.

    A lower bound would keep hardly less, but every smaller tensor would then cost page faults; with a higher one the
    layers' outputs of a usual batch stay in the heap and split it into pieces that are never given back.
    """
    return _set_allocator(_SMALL_MMAP, _SMALL_TRIM) and return_freed_memory()


def keep_freed_memory() -> bool:
    """From now on keep freed pieces of up to 32 MB for the next use, at most 64 MB of them at the heap's end; whether
    that was possible. Costs up to some gigabytes of memory and saves up to a third of the time."""
    return _set_allocator(_FAST_MMAP, _FAST_TRIM)


def return_freed_memory() -> bool:
    """Give what is freed now back to the system, once; whether that was possible. Costs milliseconds."""
    libc = _glibc()
    if libc is None:
        return False
    libc.malloc_trim(0)
    return True


def _set_allocator(mmap_bytes: int, trim_bytes: int) -> bool:
    libc = _glibc()
    if libc is None:
        return False
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, mmap_bytes) and libc.mallopt(_M_TRIM_THRESHOLD, trim_bytes))


def _glibc() -> ctypes.CDLL | None:
    """The C library, if it is the one that knows these settings."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        libc = ctypes.CDLL("libc.so.6")
        return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
    except OSError:
        logger.info("No glibc here: freed memory may stay with the process")
        return None


class PeakMemory:
    """How far memory rose while entered: `bytes`, set on leaving, above `start` (what was in use on entering,
    or `above`).

    On a card what torch held of it, unused pieces included; else the process's resident size: the kernel's own peak
    where it can be reset (Linux), else the highest of samples taken every 10 ms.
    """

    def __init__(self, device: torch.device, above: int | None = None) -> None:
        self.bytes = 0
        self.start = 0
        self._above = above
        self._device = device
        self._samples: _Samples | None = None

    def __enter__(self) -> PeakMemory:
        if self._device.type in CARDS:
            card = getattr(torch, self._device.type)
            if self._above is None:
                card.empty_cache()  # what was freed before is not of this work
            card.reset_peak_memory_stats(self._device)
            return self._started(int(card.memory_reserved(self._device)))
        if not _reset_peak():
            self._samples = _Samples()
            self._samples.start()
        return self._started(int(_PROCESS.memory_info().rss))

    def _started(self, in_use: int) -> PeakMemory:
        self.start = in_use if self._above is None else self._above
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bytes = max(0, self._peak() - self.start)

    def _peak(self) -> int:
        if self._device.type in CARDS:
            return int(getattr(torch, self._device.type).max_memory_reserved(self._device))
        return self._samples.end() if self._samples is not None else _kernels_peak()


class _Samples(threading.Thread):
    """The highest resident size seen."""

    def __init__(self) -> None:
        super().__init__(name="memory samples", daemon=True)
        self._ended = threading.Event()
        self._highest = 0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_EVERY_S):
            self._highest = max(self._highest, int(_PROCESS.memory_info().rss))

    def end(self) -> int:
        self._ended.set()
        self.join()
        return max(self._highest, int(_PROCESS.memory_info().rss))


def _reset_peak() -> bool:
    """Whether the kernel starts this process's peak again from its present size."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _kernels_peak() -> int:
    """The highest resident size since the last reset, in bytes."""
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
