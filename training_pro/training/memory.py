"""Memory of this process and the allocator setting that keeps CPU training from growing.

glibc keeps freed heap, so that a CPU run's process grows by gigabytes it no longer needs; asking for larger
pieces by mmap gives them back at once. Only done for CPU runs on Linux.
"""

from __future__ import annotations

import ctypes
import logging
import sys

import psutil
import torch

logger = logging.getLogger(__name__)

_M_MMAP_THRESHOLD = -3
_THRESHOLD_BYTES = 16 * 1024 * 1024
_PROCESS = psutil.Process()
_MB = 1024 * 1024


def process_memory_mb() -> float:
    """What the run takes now: CUDA memory in use if there is any, else the process's resident size, in MB."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.memory_allocated() / _MB
    return float(_PROCESS.memory_info().rss) / _MB


def give_freed_memory_back() -> bool:
    """Make glibc return freed pieces of 16 MB and more at once; whether that was possible.

    A lower bound would hold less memory, but every smaller tensor would then cost page faults: at 64 kB an update of
    the small model takes some 1.7 times as long.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        return bool(libc.mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES))
    except (OSError, AttributeError):
        logger.info("mallopt is not to be had here; freed memory may stay with the process")
        return False
