"""``python -m training_pro``, or ``training-pro``: the same work as the tab, from a terminal."""

from __future__ import annotations

import sys

from training_pro.cli.main import main
from training_pro.quiet import quiet_terminal


def run() -> None:
    """The console command."""
    quiet_terminal()
    sys.exit(main())


if __name__ == "__main__":
    run()
