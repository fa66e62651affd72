"""A limit on what torch may take of a graphics card, where its driver would rather use main memory than say no.

Drivers on Windows and WSL move what does not fit into main memory, over which a run crawls at a hundredth of its
speed; chips of AMD that share their memory with the processor do the same. torch then never runs out of memory, and
nothing that a run does about that can happen. With a limit it does. Costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from training_pro.training.memory.forecast import CARD_SHARE

_KERNEL = Path("/proc/sys/kernel/osrelease")


@contextmanager
def card_limit(device: torch.device) -> Iterator[None]:
    """While entered, more than `CARD_SHARE` of what is free now on `device` can't be taken, where that is needed."""
    if device.type != "cuda" or not driver_spills(device):
        yield
        return
    free, total = torch.cuda.mem_get_info(device)
    ours = torch.cuda.memory_reserved(device)
    torch.cuda.set_per_process_memory_fraction(min(1.0, (ours + free * CARD_SHARE) / total), device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def driver_spills(device: torch.device) -> bool:
    """Whether the driver of this card moves data into main memory when the card's own is full."""
    return os.name == "nt" or in_wsl() or _shares_memory(device)


@cache
def in_wsl() -> bool:
    """Whether this Linux runs inside Windows."""
    try:
        return "microsoft" in _KERNEL.read_text().lower()
    except OSError:
        return False


def _shares_memory(device: torch.device) -> bool:
    """An AMD chip whose memory is the processor's."""
    return bool(torch.version.hip and getattr(torch.cuda.get_device_properties(device), "is_integrated", False))
