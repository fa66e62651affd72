"""The gradio of this environment serves a page: without that, no browser test says anything."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest

from tests.gradio4_helper import child_environment

PAGE = """
import gradio as gr
with gr.Blocks() as page:
    box = gr.Textbox(label="words")
    table = gr.JSON()
    box.change(lambda text: {"n": len(text)}, box, table, api_name="count")
page.queue().launch(prevent_thread_lock=True, quiet=True)
print(page.local_url, flush=True)
input()
"""


@pytest.mark.slow
def test_a_page_is_served_and_describes_its_api() -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", PAGE],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        url = server.stdout.readline().strip()
        assert url.startswith("http"), server.stderr and server.stderr.read()[-2000:]
        with urllib.request.urlopen(url, timeout=30) as page:
            assert b"gradio" in page.read()
        api = "gradio_api/info" if not _old(url) else "info"
        with urllib.request.urlopen(f"{url}{api}", timeout=30) as described:
            assert "/count" in json.load(described)["named_endpoints"]
    finally:
        server.kill()
        server.wait()


def _old(url: str) -> bool:
    with urllib.request.urlopen(f"{url}config", timeout=30) as config:
        return str(json.load(config)["version"]).startswith("4.")
