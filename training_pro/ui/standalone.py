"""The tab as a page of its own, for a model folder without the WebUI. Works with gradio 4 and 6."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.session import Session
from training_pro.ui.tab import build_tab

ASSETS = Path(__file__).resolve().parent.parent / "assets"
TITLE = "Training PRO"
_STYLES = ("tab.css", "page.css", "chart.css", "standalone.css")
QUEUE_LOOKS_S = {"sleep_when_free": 0.1, "progress_update_sleep_when_free": 0.25}


def make_app(session: Session) -> gr.Blocks:
    """The page, not yet served."""
    with gr.Blocks(**_dress(gr.Blocks), title=TITLE, analytics_enabled=False) as page:
        build_tab(session)
    return page


def launch(session: Session, host: str = "127.0.0.1", port: int = 7861) -> gr.Blocks:
    """Serve the page at `host`:`port` (0: any free one) until it is closed."""
    session.host.folders.make()
    page = make_app(session)
    page.queue()
    _let_it_sleep(page)
    page.launch(
        server_name=host,
        server_port=port or None,
        prevent_thread_lock=True,
        quiet=True,
        _frontend=False,  # gradio asks its own page for an answer within 3 s, and gives up on a busy machine
        **_dress(page.launch),
    )
    return page


def _let_it_sleep(page: gr.Blocks) -> None:
    """Gradio 6 wakes a thousand times a second to look for events, which costs a training some percent of a processor;
    ten times is enough for a click."""
    queue: Any = getattr(page, "_queue", None)
    for name, seconds in QUEUE_LOOKS_S.items():
        if hasattr(queue, name):
            setattr(queue, name, max(getattr(queue, name), seconds))


def _dress(place: Any) -> dict[str, Any]:
    """Style sheet, theme and footer, where this gradio takes them: Blocks in 4, launch in 6."""
    known = inspect.signature(place).parameters
    fonts = ["system-ui", "sans-serif"]
    theme = gr.themes.Default(font=fonts, font_mono=["ui-monospace", "monospace"])  # no fonts from other hosts
    theme.set(block_info_text_color="*neutral_500", body_text_color_subdued="*neutral_500")  # to be read easily
    dress = {
        "css": "".join((ASSETS / name).read_text(encoding="utf-8") for name in _STYLES),
        "theme": theme,
        "show_api": False,
        "footer_links": [],
    }
    return {name: value for name, value in dress.items() if name in known}
