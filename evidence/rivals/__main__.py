"""`python -m evidence.rivals [--webui FOLDER]` runs what is not done yet; `make rivals` does, and then writes the page.

Installs each trainer into an environment of its own in build/rivals (some minutes, 5 GB), then takes about a minute of
one core a contender, kind of data, precision and round.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m evidence.rivals", description=__doc__)
    parser.add_argument("--webui", type=Path, help="a checkout of text-generation-webui, for its own trainer")
    parser.add_argument("--webui-python", default="", help="its Python, if not the one of its installer")
    parser.add_argument("--torch", default="torch==2.13.0", help="the torch to install (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so many minutes")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the contenders with this in their names")
    options = parser.parse_args(arguments)
    from evidence.rivals.race import Race
    from training_pro.hosts.embedded import embedded_model

    checkout = options.webui.resolve() if options.webui else None
    race = Race(options.torch, checkout, options.webui_python, embedded_model())
    for result in race.run(options.rounds, time.monotonic() + 60 * options.minutes, options.only):
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
