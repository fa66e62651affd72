"""What is promised about faults and attacks, each promise counted by the tests that try to break it.

A test marked `@pytest.mark.promise("key")` counts as one case, or as many as it tells the fixture `cases`. The counts
of the last run of every test are kept in pytest's cache, so that the page may be made after many runs:
``python -m tests.promises > docs/reliability.md``. To add a row: a `Promise` below, and the mark on its tests. To
forget all counts: remove the folder `CACHE`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

CACHE = Path(__file__).parents[1] / ".pytest_cache" / "v" / "promises"


@dataclass(frozen=True)
class Promise:
    """A row of the page: what is promised, how that is tested, and the command that tests it."""

    key: str
    promised: str
    tested: str
    command: str = "make test"


PROMISES = (
    Promise(
        "killed",
        "A killed run resumes and makes exactly the LoRA it would have made",
        "`kill -9` at random moments of a run in 4-bit, then the same `train` command. The final weights are compared "
        "byte for byte",
        "make stress",
    ),
    Promise(
        "stopped",
        "After a kill or a power cut at any moment, the run resumes from its last checkpoint; older files stay whole",
        "For every write of a run, the folder is rebuilt as a kill or a power cut would leave it. Every checkpoint "
        "must load, and the run must resume to the same bytes",
        "make stress",
    ),
    Promise(
        "memory",
        "When memory runs out, the run continues with less if it can. If not, it ends, and nothing is damaged",
        "Memory runs out at every stage of a run, from loading to saving. The run continues, or it ends and can be "
        "resumed; your model is the same to the last bit",
    ),
    Promise(
        "disk",
        "A disk that is full, read-only or faulty costs at most the updates since the last checkpoint",
        "The disk refuses to write, from the start or later; then the same checks as for memory",
    ),
    Promise(
        "full disk",
        "A write that fails is reported and damages nothing",
        "Disks that really are too small, and each write of a run refused once. When there is room, the run resumes to "
        "the same bytes",
        "make stress",
    ),
    Promise(
        "parts",
        "A loss that is not a number, a broken row, a failing part of the program or no network: nothing is lost",
        "Each happens in a whole run; then the same checks as for memory",
    ),
    Promise(
        "bad input",
        "Any bad input gets one clear sentence, and nothing is written",
        "Wrong, broken and hostile settings, names, data files, templates, tokenizers, LoRAs, model folders, addresses "
        "and command lines",
    ),
    Promise(
        "no one in",
        "No input is run as code, gets out of its folders, or does what the page does not allow",
        "Files that would do harm if they were run; links out of the folders; calls to the server that the "
        "page never makes; a search for secrets in everything that a run leaves behind",
    ),
    Promise(
        "fuzzing",
        "No input crashes the program",
        "Random inputs for everything that reads files, settings and addresses (a minute each in `make stress`). The "
        "figures count the inputs",
        "make test stress",
    ),
    Promise(
        "many hands",
        "One run at a time, nothing hangs, no command is lost, whatever people press at the same time",
        "Ten clients, two pages in a browser and the command line work in the same folders. The figures count the "
        "actions",
        "make stress",
    ),
    Promise(
        "long run",
        "A long run needs no more threads, open files, memory or disk than a short one",
        "200,000 updates of a tiny model, with checkpoints that replace each other, while two pages ask for news",
        "make stress",
    ),
)


@dataclass
class Cases:
    """What a test has tried and what was survived; a test that says nothing is one case."""

    survived: int = 0
    tried: int = 0

    def count(self, survived: bool) -> None:
        self.tried += 1
        self.survived += survived


def key_of(item: Any) -> str | None:
    """The promise that a test is about."""
    mark = item.get_closest_marker("promise")
    if mark is None:
        return None
    (key,) = mark.args
    assert key in {promise.key for promise in PROMISES}, f"{key!r} is no promise of tests/promises.py"
    return str(key)


def counted(item: Any, passed: bool) -> tuple[int, int]:
    """Survived and tried of a test that has ended."""
    told = item.funcargs.get("cases") if hasattr(item, "funcargs") else None
    if told is not None and told.tried:
        return (told.survived if passed else min(told.survived, told.tried - 1)), told.tried
    return int(passed), 1


def keep(results: dict[str, dict[str, tuple[int, int]]]) -> None:
    """Add the counts of this session, by promise and test, to those of earlier ones with the same libraries."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{version('transformers')}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for key, tests in results.items():
        before[key] = {**before.get(key, {}), **tests}
    whole = path.with_suffix(f".{os.getpid()}")  # other parts of the tests may read it now
    whole.write_text(json.dumps(before, indent=1, sort_keys=True), encoding="utf-8")
    whole.replace(path)


def totals(tests: dict[str, Any]) -> str:
    """ "20 of 20"."""
    return f"{sum(pair[0] for pair in tests.values()):,} of {sum(pair[1] for pair in tests.values()):,}"


def page(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The page, line by line, from the counts by transformers' version."""
    sets = sorted(found, key=lambda name: [int(part) for part in name.split(".")[:3]], reverse=True)
    yield "# Reliability"
    yield ""
    yield "We promise these things, and then try to break them. *20 of 20* means: held 20 times in 20 tries. We try"
    yield "with two versions of transformers, the library that runs the models. *Not run*: tried with one version only."
    yield ""
    yield "All of it ran on the processor. On a graphics card the same bytes need"
    yield "[Deterministic](graphics-cards.md#the-same-result-again), which was not tested on a card."
    yield ""
    yield "The commands repeat the tests; `python -m tests.promises` makes this page from their last results."
    yield ""
    yield "| promise | how it is tested | " + " | ".join(f"transformers {name}" for name in sets) + " | command |"
    yield "|---|---|" + "---|" * (len(sets) + 1)
    for promise in PROMISES:
        results = [totals(tests) if (tests := found[name].get(promise.key)) else "not run" for name in sets]
        yield f"| {promise.promised} | {promise.tested} | {' | '.join(results)} | `{promise.command}` |"


def main() -> None:
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(CACHE.glob("*.json"))}
    sys.stdout.write("\n".join(page(found)) + "\n")


if __name__ == "__main__":
    main()
