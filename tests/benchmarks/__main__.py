"""All figures, one JSON line each: `python -m tests.benchmarks [--data FOLDER] [NAME...]`.

A module of this folder takes part by having `figures(data)`, which yields dicts; `data` is a folder of .txt files
and row files, by default what ships with the project.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path

import tests.benchmarks

ASSETS = Path(__file__).parents[2] / "training_pro" / "assets"


def main() -> None:
    modules = {found.name for found in pkgutil.iter_modules(tests.benchmarks.__path__)} - {"__main__"}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"run only these: {', '.join(sorted(modules))}")
    parser.add_argument("--data", type=Path, default=ASSETS, help="folder of texts and rows to measure with")
    chosen = parser.parse_args()
    if not chosen.data.is_dir():
        parser.error(f"--data {chosen.data} is not a folder")
    for name in chosen.names or sorted(modules):
        module = importlib.import_module(f"tests.benchmarks.{name}")
        for figure in module.figures(chosen.data) if hasattr(module, "figures") else ():
            sys.stdout.write(json.dumps(figure) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
