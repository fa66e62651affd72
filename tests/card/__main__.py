"""Runs all checks: ``python -m tests.card``; ``--quick`` leaves out what takes minutes. JSON lines, then a table."""

from __future__ import annotations

import argparse
import functools
import logging
import sys
import warnings

from tests.card.check import Check, Found, table
from tests.card.gradients import gradient_error
from tests.card.memory import grid, on_24_gb, peaks, train_head
from tests.card.on_card import on_card
from tests.card.precision import precision
from tests.card.syncs import syncs


def checks(quick: bool) -> list[Check]:
    """In the order in which they are shown."""
    if quick:
        return [precision, functools.partial(gradient_error, 2, 128), syncs]
    return [precision, peaks, on_24_gb, gradient_error, grid, train_head, syncs, on_card]


def main() -> int:
    """The exit code: 1 where a check failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.card", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    found: list[Found] = []
    for check in checks(options.quick):
        for one in check():
            found.append(one)
            sys.stdout.write(one.line() + "\n")
            sys.stdout.flush()
    sys.stdout.write("\n" + "\n".join(table(found)) + "\n")
    failed, open_ = sum(one.ok is False for one in found), sum(one.ok is None for one in found)
    passed = len(found) - failed - open_
    sys.stdout.write(f"\n{passed} passed, {failed} failed, {open_} were not run (most need a card).\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
