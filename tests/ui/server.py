"""The page of its own, served by this very process, so that a test can look at the session behind it."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import gradio as gr

from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.session import Session
from training_pro.training.run import Run
from training_pro.ui.standalone import launch

NASTY_TEXT = "\n\n\n".join(
    f"Chapter {n}. The lamp keeper of tower {n} climbs at dusk. She counts {n + 90} steps.\n"
    f"Then <b>all</b> is quiet & dark. Nobody heard <script>alert({n})</script> it. The sea was calm that night."
    for n in range(40)
)


class Server:
    """`url` to open; `session` behind it."""

    def __init__(self, folders: Folders, model: Path, *, load_in_4bit: bool = False, port: int = 0) -> None:
        self.session = Session(StandaloneHost(folders, model, load_in_4bit=load_in_4bit), folders.queue)
        self.session.attach_own()
        self.page: gr.Blocks = launch(self.session, "127.0.0.1", port or free_port())
        self.url = f"{self.page.local_url}?__theme=light"

    @property
    def run(self) -> Run:
        assert self.session.run is not None
        return self.session.run

    def close(self) -> None:
        self.session.queue.interrupt("the test is over")
        run = self.session.run
        if run is not None:
            run.controls.interrupt("the test is over")
            run.wait(60)
        self.page.close(verbose=False)


def free_port() -> int:
    """A port that no other program has, nor will soon: tests of several sets run at the same time, and gradio's own
    choice is the first free one of a hundred, which another takes as soon as a server here is closed to be started
    again. Each process has 300 of its own; a run in progress has seeded `random` itself."""
    first = 20_000 + os.getpid() % 40 * 300  # all below the ports that Linux gives to connections
    for port in random.SystemRandom().sample(range(first, first + 300), 50):
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port among 50 tried")
