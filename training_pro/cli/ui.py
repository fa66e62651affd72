"""``ui``: the tab as a page of its own."""

from __future__ import annotations

import argparse
import threading

from training_pro.cli import common
from training_pro.cli.terminal import say


def add_options(parser: argparse.ArgumentParser) -> None:
    common.add_host_options(parser)
    parser.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=7861, help="port of the page (default: 7861)")


def run(options: argparse.Namespace) -> int:
    from training_pro.ui.standalone import launch

    session = common.session_from(options, keep_queue=True)
    session.attach_own()
    page = launch(session, options.listen, options.port)
    say(f"Training PRO is at {page.local_url} (Ctrl-C ends it).")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        page.close(verbose=False)
    return 0
