"""``ui``: the tab as a page of its own."""

from __future__ import annotations

import argparse

from training_pro.cli import common


def add_options(parser: argparse.ArgumentParser) -> None:
    common.add_host_options(parser)
    parser.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=7861)


def run(options: argparse.Namespace) -> int:
    from training_pro.ui.standalone import launch

    session = common.session_from(options, keep_queue=True)
    session.attach_own()
    launch(session, options.listen, options.port)
    return 0
