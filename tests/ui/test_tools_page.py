"""The Tools panel in a real browser, on the gradio of this environment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.ui.browser import Tab, chromium
from tests.ui.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TASKS = [{"instruction": f"q {i}", "output": f"a {i}"} for i in range(20)]


class Site(BaseHTTPRequestHandler):
    """A file that comes at once, and one whose end only comes once `let_go` is set."""

    let_go = threading.Event()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        body = b"".join(json.dumps(task).encode() + b"\n" for task in TASKS)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) * (2 if "endless" in self.path else 1)))
        self.end_headers()
        self.wfile.write(body)
        while "endless" in self.path and not self.let_go.wait(0.2):
            self.wfile.write(b"\n")


@pytest.fixture
def site() -> Iterator[str]:
    served = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    served.daemon_threads = True
    Site.let_go.clear()
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}"
    Site.let_go.set()
    served.shutdown()
    served.server_close()


def test_download_split_convert_and_cancel(server: Server, site: str) -> None:
    folder = server.session.host.folders.datasets
    with chromium() as browser:
        tab = Tab(browser, server.url)
        tab.page.get_by_text("Both", exact=True).click()
        tab.show_tab("Tools")
        tab.type("tool-url", f"{site}/fox.jsonl")
        tab.press("tool-download")
        tab.until(lambda: "allow private addresses" in tab.words("tool-said"), "the refusal")
        tab.part("tool-private").locator("input").check()
        tab.press("tool-download")
        tab.until(lambda: "fox.jsonl is downloaded" in tab.words("tool-said"), "the file")
        tab.show_tab("Train")
        tab.choose("dataset", "fox.jsonl")
        tab.all_settings()
        tab.show_tab("Tools")
        tab.press("tool-split")
        tab.until(lambda: tab.typed("dataset") == "fox_train.jsonl", "the training half")
        tab.until(lambda: tab.typed("eval-dataset") == "fox_eval.jsonl", "the other half")
        tab.press("tool-rows")
        tab.until(lambda: tab.typed("dataset") == "fox_train_chat.jsonl", "the chats")
        tab.type("tool-url", f"{site}/endless.jsonl")
        tab.press("tool-download")
        tab.until(lambda: tab.part("tool-cancel").is_visible(), "the cancel button")
        tab.press("tool-cancel")
        tab.until(lambda: "Ended on request" in tab.words("tool-said"), "the end")
        tab.until(lambda: not tab.part("tool-cancel").is_visible(), "the button gone")
        assert tab.complaints == []
    names = sorted(path.name for path in folder.iterdir() if path.name.startswith(("fox", "endless", ".")))
    assert names == ["fox.jsonl", "fox_eval.jsonl", "fox_train.jsonl", "fox_train_chat.jsonl"]
