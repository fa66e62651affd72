from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module; each page in it has a profile of its own."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def desk(server: Server, browser: Browser) -> Iterator[Desk]:
    made = Desk(server, browser)
    yield made
    for tab in made.tabs:
        tab.close()
    assert [complaint for tab in made.tabs for complaint in tab.complaints] == []
