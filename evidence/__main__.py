"""`python -m evidence [NAME ...]` runs the experiments that are not done yet; `python -m evidence report` only writes
the page from the results. What is done is not run again; a run that was cut short leaves nothing behind.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from evidence.arms import Arm, Experiment
from evidence.experiments import EXPERIMENTS
from evidence.report import BARE, write
from evidence.results import add, is_done, read

if TYPE_CHECKING:
    from evidence.bench import Bench

REPORT = "report"
Todo = tuple[Experiment, Arm, int]  # and the seed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m evidence", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)}; or {REPORT}")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after so many minutes")
    parser.add_argument("--seeds", type=int, default=0, help="only the first N seeds of each arm")
    parser.add_argument("--arms", default="", metavar="TEXT", help="only the arms with this in their names")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in (*EXPERIMENTS, REPORT)]
    if unknown:
        parser.error(f"there is no experiment {', '.join(unknown)}. Choose of {', '.join(EXPERIMENTS)}.")
    if options.names != [REPORT]:
        run(_left(options.names or list(EXPERIMENTS), options), time.monotonic() + 60 * options.minutes)
    write()
    return 0


def _left(names: list[str], options: argparse.Namespace) -> list[Todo]:
    """All arms with the first seed, then all with the second: what is cut short is even."""
    return [
        (EXPERIMENTS[name], arm, seed)
        for name in names
        for seed in EXPERIMENTS[name].seeds[: options.seeds or None]
        for arm in EXPERIMENTS[name].arms
        if options.arms in arm.name and not is_done(EXPERIMENTS[name], arm, seed)
    ]


def run(left: list[Todo], until: float) -> None:
    """Run what is left, each result on the disk as it comes; nothing is begun after `until`."""
    if not left:
        return
    from evidence.bench import Bench

    with tempfile.TemporaryDirectory(prefix="evidence-") as folder:
        bench = Bench(Path(folder))
        _bare(bench, list(dict.fromkeys(arm.text for _, arm, _ in left)))
        for done, (experiment, arm, seed) in enumerate(left):
            if time.monotonic() > until:
                return
            _say(f"{done + 1} of {len(left)}: {experiment.name}, {arm.name}, seed {seed}")
            if is_done(experiment, arm, seed):  # by another process meanwhile
                continue
            lines = bench.run(arm, seed)
            add(experiment.name, lines)
            for line in lines:
                _say(f"  {line.seconds:.0f} s, {line.tokens:,} tokens, loss {line.loss:.2f}, {line.measures}")


def _bare(bench: Bench, texts: list[str]) -> None:
    done = {line.asked["text"] for line in read(BARE)}
    for text in texts:
        if text not in done:
            add(BARE, [bench.bare(text, seed=1)])


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
