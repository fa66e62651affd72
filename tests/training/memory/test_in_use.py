"""Peaks, what is free, and the allocator's setting; a card is a fake."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from training_pro.training.memory import in_use as memory
from training_pro.training.memory.in_use import PeakMemory, free_bytes, give_freed_memory_back

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
MB = 1024 * 1024


@pytest.mark.parametrize("by_the_kernel", [True, False])
def test_a_peak_is_seen_though_it_is_over(by_the_kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not by_the_kernel:
        monkeypatch.setattr(memory, "_reset_peak", lambda: False)
        monkeypatch.setattr(memory, "_SAMPLE_EVERY_S", 0.0005)
    give_freed_memory_back()
    peaks: list[int] = []
    # A machine short of memory brings pages back in the middle of one, and what a test before has left may go then.
    while len(peaks) < 5 and not any(55 * MB < found < 200 * MB for found in peaks):
        with PeakMemory(CPU) as peak:
            for _ in range(20):
                torch.ones(64 * MB // 4)
        peaks.append(peak.bytes)
    assert 55 * MB < peaks[-1] < 200 * MB


FAULTS = """
import resource, sys, torch
from training_pro.training.memory import in_use
assert getattr(in_use, sys.argv[1])()
faults = []
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(2 << 20) for _ in range(6)]
    del pieces
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults[1:]))  # a machine short of memory takes pages away by itself, now and then
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone knows these settings")
def test_kept_memory_is_still_there_and_given_back_when_asked_for() -> None:
    """Pieces of 8 MB, freed: kept pieces cost few page faults when they are used again. Each in a process of its own:
    what one setting left in the heap would serve the other."""
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", FAULTS, name], capture_output=True, text=True, check=True).stdout)
        for name in ("keep_freed_memory", "give_freed_memory_back")
    )
    assert kept * 10 < given_back


def test_a_peak_above_an_earlier_start() -> None:
    with PeakMemory(CPU) as first:
        kept = torch.ones(64 * MB // 4)
    with PeakMemory(CPU, above=first.start) as second:
        pass
    assert second.start == first.start
    assert second.bytes > 55 * MB, "what the first left in use counts"
    del kept


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What torch says of a card."""
    state = SimpleNamespace(allocated=100, peak=100, reserved=400, free=1000, resets=0)

    def reset(device: torch.device) -> None:
        state.resets += 1
        state.peak = state.allocated

    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: state.allocated)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device=None: state.peak)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: setattr(state, "reserved", state.allocated))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device=None: state.reserved)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (state.free, 5000))
    return state


def test_a_cards_peak_is_what_torch_held_with_its_unused_pieces(card: SimpleNamespace) -> None:
    with PeakMemory(CARD) as peak:
        card.peak = 900
    assert (peak.bytes, card.resets) == (800, 1)


def test_a_cards_free_memory_counts_what_torch_holds_unused(card: SimpleNamespace) -> None:
    assert free_bytes(CARD) == 1000 + 400 - 100


def test_what_a_person_sees_of_a_card_is_what_torch_holds_of_it(
    card: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what other programs can't have; unused pieces count."""
    card.reserved = 400 * MB
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert memory.process_memory_mb() == 400


def test_the_machines_free_memory() -> None:
    import psutil

    assert 0 < free_bytes(CPU) <= psutil.virtual_memory().total


def test_a_container_that_allows_less_than_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "allowed_bytes", lambda: [7 * MB, 5 * MB, 1 << 62])
    assert free_bytes(CPU) == 5 * MB
