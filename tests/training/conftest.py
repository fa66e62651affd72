"""Fixtures of the training room."""

from __future__ import annotations

import pytest
import torch

from tests.training.tiny import TinyOwner
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel


@pytest.fixture(autouse=True, scope="session")
def _quick() -> None:
    """Tiny matrices are slower on two threads than on one."""
    torch.set_num_threads(1)


@pytest.fixture
def owner(folders: Folders, tiny_model: LoadedModel) -> TinyOwner:
    """A host with the tiny model loaded."""
    return TinyOwner(folders, tiny_model)
