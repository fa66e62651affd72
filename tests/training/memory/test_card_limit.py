"""The limit that makes torch run out of memory where a driver would rather crawl; the card is a fake."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from training_pro.training.memory import card_limit as module
from training_pro.training.memory.card_limit import card_limit, driver_spills, in_wsl
from training_pro.training.memory.forecast import CARD_SHARE

CARD = torch.device("cuda", 0)


@pytest.fixture
def fractions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What torch was told: 8,000 bytes in all, 5,000 free, 1,000 held by us."""
    told: list[float] = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (5000, 8000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device=None: 1000)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, device=None: told.append(share))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device=None: SimpleNamespace(is_integrated=1, gcnArchName="gfx1151")
    )
    in_wsl.cache_clear()
    monkeypatch.setattr(module, "_KERNEL", Path("/nowhere/at/all"))
    yield told
    in_wsl.cache_clear()


def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "os", SimpleNamespace(name="nt"))


def wsl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    release = tmp_path / "osrelease"
    release.write_text("5.15.153.1-microsoft-standard-WSL2\n")
    monkeypatch.setattr(module, "_KERNEL", release)


def amd_chip_with_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.version, "hip", "6.4")


@pytest.mark.parametrize("where", [windows, wsl, amd_chip_with_shared_memory], ids=lambda where: where.__name__)
def test_where_the_driver_spills_torch_is_limited_and_let_go(
    where: Any, fractions: list[float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where(monkeypatch, tmp_path)
    with pytest.raises(KeyError), card_limit(CARD):
        assert fractions == [pytest.approx((1000 + 5000 * CARD_SHARE) / 8000)]
        raise KeyError
    assert fractions[-1] == 1.0


def test_on_linux_and_on_the_cpu_torch_runs_out_by_itself(fractions: list[float]) -> None:
    with card_limit(CARD), card_limit(torch.device("cpu")):
        assert fractions == []
    assert not driver_spills(CARD)
