"""How long the tab takes to be there, in chromium, from the request of the page, on a page of its own.

Each page is loaded a few times in a browser that has gradio's own files already, as on a second visit. `empty`: a page
of gradio's with one line on it; `tab`: ours until its form can be used; `checked`: until it is filled in, checked and
its time estimated. What `tab` takes more than `empty` is ours; the rest is gradio's own. Milliseconds; takes a minute.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import gradio as gr
from playwright.sync_api import BrowserContext

from tests.fakes import save_tiny_model
from tests.ui.browser import DESKTOP, chromium
from tests.ui.server import NASTY_TEXT, Server
from training_pro.folders import Folders

LOADS = 7
_EMPTY = "document.body.innerText.includes('nothing but this')"
_TAB = (
    "document.querySelector('.training-pro[data-face=form]') && document.querySelector('#tp-start')?.offsetParent "
    "&& document.querySelector('#tp-epochs input')?.value && !document.querySelector('#tp-start').disabled"
)
_CHECKED = (
    "document.querySelector('#tp-marks .tp-marks') && document.querySelector('#tp-name input, #tp-name textarea').value"
)
# Keeps the first moment at which each of them holds.
_WATCH = """const seen = window.firstSeen = {};
const look = () => {
  for (const [name, holds] of Object.entries(%s)) if (!(name in seen) && eval(holds)) seen[name] = performance.now();
  requestAnimationFrame(look);
};
requestAnimationFrame(look);"""


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """The empty page, ours, and what ours takes more."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        folders = Folders.under(Path(folder) / "user_data")
        folders.make()
        (folders.datasets / "tales.txt").write_text(NASTY_TEXT, encoding="utf-8")
        server, empty = Server(folders, save_tiny_model(Path(folder) / "tiny")), _empty_page()
        context = browser.new_context(viewport=DESKTOP)
        alone = _seen(context, str(empty.local_url), {"empty": _EMPTY})["empty"]
        ours = _seen(context, server.url, {"tab": _TAB, "checked": _CHECKED})
        yield {"figure": "first_paint_empty_ms", **_spread(alone)}
        yield {"figure": "first_paint_tab_ms", **_spread(ours["tab"]), **_size(server)}
        yield {"figure": "first_paint_ours_ms", "median": round(median(ours["tab"]) - median(alone))}
        yield {"figure": "first_paint_checked_ms", **_spread(ours["checked"])}
        empty.close(verbose=False)
        server.close()


def _empty_page() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as page:
        gr.HTML("nothing but this")
    page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    return page


def _seen(context: BrowserContext, url: str, signs: dict[str, str]) -> dict[str, list[float]]:
    """When each sign was first there, in every load but the one that fills the browser's cache."""
    found: dict[str, list[float]] = {name: [] for name in signs}
    for load in range(LOADS + 1):
        page = context.new_page()
        page.add_init_script(_WATCH % json.dumps(signs))
        page.goto(url)
        page.wait_for_function(f"Object.keys(window.firstSeen).length == {len(signs)}", timeout=120_000)
        for name, at in page.evaluate("window.firstSeen").items() if load else ():
            found[name].append(at)
        page.close()
    return found


def _spread(times: list[float]) -> dict[str, Any]:
    return {"median": round(median(times)), "shortest": round(min(times)), "longest": round(max(times))}


def _size(server: Server) -> dict[str, Any]:
    """What makes the page heavy."""
    blocks: Any = server.page
    return {"components": len(blocks.blocks), "config_kb": round(len(json.dumps(blocks.config, default=str)) / 1000)}
