from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.server import NASTY_TEXT, Server
from training_pro.folders import Folders


@pytest.fixture
def server(folders: Folders, tiny_folder: Path) -> Iterator[Server]:
    """The page, served from this process, with a text and some rows to train on."""
    (folders.datasets / "tales.txt").write_text(NASTY_TEXT, encoding="utf-8")
    made = Server(folders, tiny_folder)
    yield made
    made.close()
