"""Opening the page leaves a graphics card alone, for people who never train too."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.ui.opening import open_page
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.training.checks import early_faults
from training_pro.training.loop import optimizers
from training_pro.training.memory.in_use import process_memory_mb
from training_pro.ui.choices import file_choices, installed_choices
from training_pro.ui.live import LOOK

CALLS = ("is_available", "device_count", "_lazy_init", "get_device_properties", "mem_get_info", "current_device")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the functions that asked the driver, once libraries are imported, which ask whether there is a card."""
    import transformers.trainer  # noqa: F401 (only to have it imported)
    from transformers import SchedulerType, get_scheduler  # noqa: F401 (only to have them imported)

    found: list[str] = []

    def asked(name: str) -> Any:
        return lambda *args, **kwargs: bool(found.append(name))

    for name in CALLS:
        monkeypatch.setattr(torch.cuda, name, asked(name))
    monkeypatch.setattr(optimizers, "_KNOWS_CARDS", True)
    return found


def test_opening_the_whole_page_asks_no_card(called: list[str], folders: Folders) -> None:
    answered = open_page(Session(StandaloneHost(folders, None)))
    assert len(answered) >= 4 and LOOK in answered
    assert called == []


def test_the_lists_of_a_page_ask_no_card(called: list[str], folders: Folders) -> None:
    listed = installed_choices(folders)
    assert ("adamw_torch", "adamw_torch") in listed["optimizer"]
    file_choices(folders)
    assert called == []


def test_looking_at_the_settings_and_at_memory_asks_no_card(called: list[str], folders: Folders) -> None:
    early_faults(Settings(text_file="none.txt"), folders)
    process_memory_mb()
    assert called == []
