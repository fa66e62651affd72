"""A sentence in place of, or above, the tab. Needs gradio alone, so that it can be shown when all else is missing."""

from __future__ import annotations

import gradio as gr


def notice(text: str) -> None:
    """Put `text` (Markdown) where the page is being built."""
    gr.Markdown(f"**Training PRO** · {text}")
