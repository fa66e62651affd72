"""What stands against a run, said on the page before anybody presses Start, with the way out. On the WebUI's host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fakes import save_tiny_model
from tests.hosts.fake_webui import FakeWebUI
from tests.ui.browser import Tab, chromium
from tests.ui.server import NASTY_TEXT, free_port
from training_pro.session import Session
from training_pro.ui.standalone import launch

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    made = FakeWebUI(tmp_path / "user_data")
    save_tiny_model(Path(made.shared.args.model_dir) / "tiny")
    with made.installed():
        yield made


def test_each_obstacle_is_said_before_start_with_the_way_out(webui: FakeWebUI) -> None:
    from training_pro.hosts.webui import WebUIHost

    session = Session(WebUIHost())
    session.host.folders.make()
    (session.host.folders.datasets / "tales.txt").write_text(NASTY_TEXT, encoding="utf-8")
    page = launch(session, "127.0.0.1", free_port())
    with chromium() as browser:
        tab = Tab(browser, page.local_url)
        tab.until(lambda: "No model is loaded; load one in the Model tab" in tab.words("host"), "no model")
        tab.type("name", "early")
        tab.press("start")
        tab.until(lambda: "No model is loaded" in tab.words("start-said"), "the refusal")
        webui.shared.model, webui.shared.model_name, webui.shared.args.loader = SimpleNamespace(), "tiny", "llama.cpp"
        tab.until(lambda: "llama.cpp" in tab.words("host"), "the wrong loader")
        webui.choose_model("tiny")
        tab.until(
            lambda: "tiny" in tab.words("host") and not tab.page.locator(".tp-stands").count(),
            "a model and nothing against it",
        )
        webui.shared.model_dirty_from_training = True
        tab.until(lambda: "Another trainer has changed tiny" in tab.words("host"), "a changed model")
        webui.shared.model_dirty_from_training = False
        with webui.shared.generation_lock:
            tab.until(lambda: "writing a reply" in tab.words("host"), "the reply")
        webui.shared.lora_names = ["mine"]
        tab.until(lambda: "with mine" in tab.words("host"), "the LoRA")
        tab.page.locator('[data-do="menu"]').click()
        tab.press("queue-add")
        tab.until(lambda: "waits in the queue" in tab.words("queue-added"), "the queue takes it all the same")
        webui.shared.lora_names = []
        webui.shared.args.multi_user = True
        tab.until(lambda: "multi-user mode" in tab.words("host"), "read only")
        tab.press("start")
        tab.until(lambda: "multi-user mode" in tab.words("start-said"), "the refusal")
        shared = launch(session, "127.0.0.1", free_port())
        tab.page.goto(shared.local_url)
        tab.part("host").wait_for()
        assert tab.part("start").count() == tab.part("queue-start").count() == tab.part("check").count() == 0
        assert tab.complaints == []
        shared.close(verbose=False)
    assert session.run is None
    page.close(verbose=False)
