"""A graphics card as the checks ask it: its memory, a smaller card played on it, how often it is waited for.

All that only a card can do is here, so that the checks themselves can be tried on a processor (`played_card`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch

from training_pro.training.memory.out_of_memory import free_memory

GIB, MIB = 2**30, 2**20


class Peak:
    """The most that tensors took above what they took before; set when the watched block ends."""

    bytes = 0


@dataclass(frozen=True)
class Card:
    """One card that torch can use."""

    device: torch.device

    @property
    def total_bytes(self) -> int:
        return int(torch.cuda.get_device_properties(self.device).total_memory)

    def free_bytes(self) -> int:
        """What no process has taken."""
        return int(torch.cuda.mem_get_info(self.device)[0])

    def allocated(self) -> int:
        return int(torch.cuda.memory_allocated(self.device))

    def most_allocated(self) -> int:
        """The peak since somebody last began to watch one."""
        return int(torch.cuda.max_memory_allocated(self.device))

    def wait(self) -> None:
        torch.cuda.synchronize(self.device)

    @contextmanager
    def watched(self) -> Iterator[Peak]:
        free_memory()
        torch.cuda.reset_peak_memory_stats(self.device)
        start, peak = self.allocated(), Peak()
        yield peak
        self.wait()
        peak.bytes = self.most_allocated() - start

    @contextmanager
    def played(self, limit_bytes: int) -> Iterator[None]:
        """A card of `limit_bytes`: torch gets no more, and whoever asks what is free gets the smaller card's answer."""
        free_memory()

        def free_and_total(device: Any = None) -> tuple[int, int]:
            return max(0, limit_bytes - int(torch.cuda.memory_reserved(self.device))), limit_bytes

        torch.cuda.set_per_process_memory_fraction(min(1.0, limit_bytes / self.total_bytes), self.device)
        try:
            with mock.patch("torch.cuda.mem_get_info", free_and_total):
                yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, self.device)

    @contextmanager
    def as_if(self, capability: tuple[int, int]) -> Iterator[None]:
        """The same card, but it says that it has this compute capability."""
        with mock.patch("torch.cuda.get_device_capability", return_value=capability):
            yield

    def waits(self) -> Any:
        """Counts how often the card is waited for; see `tests.training.loop.syncs.counted`."""
        return TorchsCount()


@dataclass
class TorchsCount:
    """torch's own count: it warns at each call that waits for the card."""

    counting: bool = False
    where: list[str] = field(default_factory=list)

    def __enter__(self) -> TorchsCount:
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("always")
        warnings.showwarning = self._seen
        torch.cuda.set_sync_debug_mode("warn")
        return self

    def _seen(self, message: Any, *_: Any, **__: Any) -> None:
        if self.counting and "synchroniz" in str(message):
            self.where.append(str(message)[:80])

    def __exit__(self, *_: object) -> None:
        torch.cuda.set_sync_debug_mode("default")
        self._caught.__exit__(None, None, None)


def found_card() -> Card | None:
    """The first NVIDIA or AMD card; None where there is none."""
    return Card(torch.device("cuda", 0)) if torch.cuda.is_available() else None
