"""The WebUI's door to Training PRO: what `modules.extensions` asks an extension's script for.

The WebUI loads this file by path and runs it again at every "Apply flags/extensions and restart"; whatever must
live on is kept in the package, which stays loaded. A package that is missing must not end the WebUI: its name
and the way to install it become the tab.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from training_pro.packages import missing_notice, missing_packages  # noqa: E402 (the path first)
from training_pro.quiet import quiet  # noqa: E402 (the path first)
from training_pro.ui.notice import notice  # noqa: E402 (the path first)

if TYPE_CHECKING:
    from training_pro.session import Session

params = {"display_name": "Training PRO", "is_tab": True}
REQUIREMENTS = HERE / "requirements.txt"
quiet()
unimportable: list[str] = []  # a package without which nothing works

try:
    from training_pro.hosts.webui import WebUIHost
    from training_pro.session import current_session
    from training_pro.ui.tab import build_tab
except ModuleNotFoundError as error:
    unimportable.append((error.name or str(error)).split(".")[0])


def session() -> Session:
    """The one session of this process; it outlives this module."""
    return current_session(WebUIHost)


def setup() -> None:
    if not unimportable:
        session()


def ui() -> None:
    text = missing_notice(unimportable or missing_packages(), REQUIREMENTS)
    if text:
        notice(text)
    if not unimportable:
        build_tab(session())


def custom_css() -> str:
    return "".join(map(_asset, ("tab.css", "page.css", "chart.css", "webui.css")))


def custom_js() -> str:
    return _asset("tab.js")


def _asset(name: str) -> str:
    path = HERE / "training_pro" / "assets" / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def __getattr__(name: str) -> Any:
    """Offers ``custom_generate_reply`` for as long as a run holds the model, and at no other time.

    The WebUI asks with `hasattr` at each reply; an attribute that is always there would answer every chat.
    """
    if name == "custom_generate_reply" and not unimportable:
        host = session().host
        reply = host.reply_during_run() if isinstance(host, WebUIHost) else None
        if reply is not None:
            return reply
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
