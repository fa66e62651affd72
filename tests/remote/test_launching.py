"""How a process of its own is started, on each system; no process is started here."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training_pro.hosts.host import ModelSource, Quantizing
from training_pro.remote import launching
from training_pro.remote.launching import child_environment, start_child

SOURCE = ModelSource(Path("model"), Quantizing("4-bit"), None, False)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What processes were asked for with."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda words, **options: found.append(options))
    return found


def test_on_windows_a_child_has_a_group_of_its_own_and_no_window(
    started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = SimpleNamespace(name="nt", environ={}, pathsep=";")
    monkeypatch.setattr(launching, "os", system)
    start_child(["python"], SOURCE, tmp_path / "log")
    new_group, no_window = 0x200, 0x08000000
    assert started[0]["creationflags"] == new_group | no_window
    assert "start_new_session" not in started[0]


def test_elsewhere_it_has_a_session_of_its_own(started: list[dict[str, Any]], tmp_path: Path) -> None:
    start_child(["python"], SOURCE, tmp_path / "log")
    assert started[0]["start_new_session"] is True and "creationflags" not in started[0]


@pytest.mark.parametrize(("system", "wanted"), [("linux", "expandable_segments:True"), ("win32", None)])
def test_on_linux_its_pieces_of_the_card_may_grow(
    system: str, wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTORCH_CUDA_ALLOC_CONF", raising=False)
    monkeypatch.setattr(launching.sys, "platform", system)
    assert child_environment(None).get("PYTORCH_CUDA_ALLOC_CONF") == wanted
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    assert child_environment(None)["PYTORCH_CUDA_ALLOC_CONF"] == "max_split_size_mb:64"
