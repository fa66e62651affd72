"""What the data tests share: a user folder of their own and a small tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.tiny import tiny_tokenizer
from training_pro.folders import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders.under(tmp_path / "user_data")
    made.make()
    return made


@pytest.fixture
def tokenizer() -> Any:
    return tiny_tokenizer()
