"""``ui``: the tab as a page of its own."""

from __future__ import annotations

import argparse
import threading

from training_pro.cli import common
from training_pro.cli.address import check_address
from training_pro.cli.terminal import say


def add_options(parser: argparse.ArgumentParser) -> None:
    common.add_host_options(parser)
    parser.add_argument(
        "--listen", metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=7861, help="port of the page; 0: any free one (default: 7861)")


def run(options: argparse.Namespace) -> int:
    check_address(options.listen, options.port)
    # Two requests at once must not be the first to import it: the second would get a module without its names.
    import transformers  # noqa: F401 (imported for what it leaves behind)

    from training_pro.ui.standalone import launch

    session = common.session_from(options, keep_queue=True)
    session.attach_own()
    try:
        page = launch(session, options.listen, options.port)
    except OSError:  # gradio's words for a port that was taken meanwhile
        check_address(options.listen, options.port)
        raise
    say(f"Training PRO is at {page.local_url} (Ctrl-C ends it).")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        page.close(verbose=False)
    return 0
