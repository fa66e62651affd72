from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.browser import chromium
from tests.ui.desk import Desk
from tests.ui.server import NASTY_TEXT, Server
from training_pro.folders import Folders


@pytest.fixture
def server(folders: Folders, tiny_folder: Path) -> Iterator[Server]:
    """The page, served from this process, with a text and some rows to train on."""
    (folders.datasets / "tales.txt").write_text(NASTY_TEXT, encoding="utf-8")
    made = Server(folders, tiny_folder)
    yield made
    made.close()


@pytest.fixture
def desk(server: Server) -> Iterator[Desk]:
    with chromium() as browser:
        made = Desk(server, browser)
        yield made
        assert [complaint for tab in made.tabs for complaint in tab.complaints] == []
