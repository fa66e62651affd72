"""Opens the page without a browser: what gradio does when one loads it, and the page's first look at the session."""

from __future__ import annotations

from typing import Any

from training_pro.session import Session
from training_pro.ui.live import LOOK
from training_pro.ui.standalone import make_app


def open_page(session: Session) -> list[str]:
    """Build the page and answer everything that a browser asks for as it loads; names of what was answered."""
    blocks: Any = make_app(session)
    found = []
    for hooked in blocks.fns.values():
        at_load = (blocks._id, "load") in map(tuple, hooked.targets)
        if hooked.fn is not None and (at_load or hooked.api_name == LOOK):
            hooked.fn(*("" for _ in hooked.inputs))
            found.append(str(hooked.api_name or getattr(hooked.fn, "__name__", "handler")))
    return found
