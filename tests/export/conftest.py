"""A LoRA over a tiny random model, in a user data folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.export.tiny_models import save_lora, save_model
from training_pro.export.lora_source import Lora, open_lora
from training_pro.folders import Folders

MakeLora = Callable[..., Lora]


@pytest.fixture
def make_lora(folders: Folders, tmp_path: Path) -> MakeLora:
    """Makes the LoRA "tales": `base` has the model's family and settings, the rest goes to its `LoraConfig`."""

    def make(base: dict[str, Any] | None = None, **config: Any) -> Lora:
        model = save_model(tmp_path / "Tiny-0.1", **(base or {}))
        return open_lora(save_lora(model, folders.loras / "tales", **config), folders)

    return make
