"""What is promised about faults and attacks, each promise counted by the tests that try to break it.

A test marked `@pytest.mark.promise("key")` counts as one case, or as many as it tells the fixture `cases`. The counts
of the last run of every test are kept in pytest's cache, so that the page may be made after many runs:
``python -m tests.promises > docs/reliability.md``. To add a row: a `Promise` below, and the mark on its tests; what
they find goes into `MENDED`. To forget all counts: remove the folder `CACHE`.
"""

from __future__ import annotations

import json
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
        "SmolLM2 in 4-bit, `kill -9` at random moments and while a checkpoint is written, then the same `train` "
        "command; the final weights are compared byte for byte",
        "make stress",
    ),
    Promise(
        "stopped",
        "Stopped at any write, by a kill or a power cut, nothing is lost and the run can be resumed",
        "All writes of a run are recorded; for each of them the folder is rebuilt as a kill or a power cut would leave "
        "it. Every checkpoint must load, the newest must be at most one "
        "interval old, older LoRAs and settings must be untouched, and the run must resume to the same bytes",
        "make stress",
    ),
    Promise(
        "memory",
        "Out of memory ends no run that can continue, and damages none that can't",
        "Memory runs out at each of these places in a whole run: forward, backward, clipping, optimizer step, "
        "evaluation, sample, checkpoint, final save, loading, snapshot, LoRA, restoring the model. The run ends or "
        "continues as it should, with one sentence; your model is the same to the last bit; a failed run "
        "resumes and makes the same LoRA as an undisturbed one",
    ),
    Promise(
        "disk",
        "A disk that is full, read-only or faulty costs at most the updates since the last checkpoint",
        "The disk refuses to write from the start or from some update, also inside torch's and safetensors' writers; "
        "then the same checks as for memory",
    ),
    Promise(
        "full disk",
        "A full disk or a refused write, at any write, is reported and damages nothing",
        "File systems that really are too small, from 16 kB; and each write of a run refused once, with a full disk or "
        "without permission; once there is room, the run resumes to the same bytes",
        "make stress",
    ),
    Promise(
        "parts",
        "A loss that is not a number, a broken row, a part of the program that fails, or no network: nothing is lost",
        "Each happens in a whole run; then the same checks. Without a network, nothing even tries to use one",
    ),
    Promise(
        "bad input",
        "Any bad input gets one clear sentence, and nothing is written",
        "wrong, broken or hostile settings (in every way they can be given), form values, names and paths, data files, "
        "chat templates, tokenizers, adapters, model folders, addresses and command lines",
    ),
    Promise(
        "no one in",
        "No input is run as code, gets out of its folders, or does what the page does not allow",
        "pickles, templates and HTML that would do something if they were run; links out of the folders; handlers "
        "called without the page; a search for secrets in everything a run leaves behind",
    ),
    Promise(
        "fuzzing",
        "No input crashes a reader",
        "the readers of rows, formats, templates, settings, names, adapters, histories, states, queues, tables, "
        "prepared data, live statuses, commands, texts, hard cuts, abbreviations, addresses, answers of servers and "
        "GGUF files: each returns a valid value or one clear sentence, and writes nothing. The figures count the "
        "inputs (made by hypothesis in `make test`, by atheris in `make stress`, a minute for each reader)",
        "make test stress",
    ),
    Promise(
        "many hands",
        "One run at a time, no deadlock, no lost command, whatever people press at the same time",
        "Ten clients, two pages in a browser and the command line start, steer, pause, interrupt, delete, undo, "
        "rename, verify and ask in the same folders; in `make test` without the pages. The figures count the actions",
        "make stress",
    ),
    Promise(
        "long run",
        "Threads, files, memory and disk stay flat over 200,000 updates",
        "A tiny model, two readers that ask the page for news every second, rotating checkpoints",
        "make stress",
    ),
)

MENDED = (
    "Killed and resumed: a run killed before its first file could not be resumed by its own command.",
    "Killed and resumed: half-written files of a killed run stayed for good. Any start now removes them.",
    "Killed and resumed: a power cut could undo the name of a new run's folder, or the move of an older run.",
    "Killed and resumed: the fingerprint of rows depended on the order of a set, so a new process refused to resume.",
    "Killed and resumed: with Override on, a killed run started again from zero instead of resuming.",
    "Killed and resumed: a stop that was moved while a resumed run was still preparing its data was forgotten.",
    "Two at once: two processes that started a run of the same name at the same moment wrote into one folder.",
    "Two at once: two processes that changed the queue at the same time lost entries.",
    "Two at once: waiting for a run in its own process never ended, and the queue stopped.",
    "Two at once: waiting for a run just as it started failed with a thread error.",
    "Memory: out of memory while the finished LoRA was saved lost it; it now gets a second try.",
    "Memory: out of memory while the host's model was restored left it half restored.",
    "Memory: the container's memory limit was not considered.",
    "Disk: a failed checkpoint write kept its file open and its disk space occupied.",
    "Checkpoints: a manual checkpoint during a pause took the name of the best one, and rotation then deleted it.",
    "Checkpoints: listing checkpoints failed if one was deleted or its run was moved at that moment.",
    "Checkpoints: in several processes on the CPU, transformers 5.6 could not load the optimizer's state.",
    "LoRAs: Override, or training on top of weights, moved a good LoRA aside for a run that then failed at the start.",
    "LoRAs: a LoRA whose settings name other layers than its weights was loaded without effect and without a message.",
    "Healthy runs: the watchdog ended healthy runs over data with an easy and a hard part.",
    "Models: a model that the WebUI had unloaded because it was idle could not be trained.",
    "Models: a token that the tokenizer has and the model doesn't have ended a run with an index error.",
    "Models: a folder with its own code made transformers ask at the terminal whether to run it. It is never run.",
    "Settings: a name that appears twice was read as its last value; it is now refused.",
    "Settings: impossible dates, huge numbers, endless YAML or files and broken characters ended in a traceback.",
    "Templates: a chat template with endless loops or huge powers could block a processor for hours.",
    "Weights: overlapping tensors, bad safetensors headers and truncated GGUF files were accepted.",
    "Weights: weight files with code in them were refused, but the message said that the file is damaged.",
    "The page: the phase of a run in another process reached the page's HTML unescaped.",
    "The page: chart settings that no chart can draw made the chart disappear for good.",
    "Downloads: redirects to something that is no address, or an absurd announced size, ended in a traceback.",
    "Text: splitting a long text without spaces could not be cancelled.",
    "Tables: a carriage return in a comment broke the perplexity table.",
    "Messages: very long values (numbers, names, options) were repeated in full in the sentence about them.",
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
    path.write_text(json.dumps(before, indent=1, sort_keys=True), encoding="utf-8")


def totals(tests: dict[str, Any]) -> str:
    """ "20 of 20"."""
    return f"{sum(pair[0] for pair in tests.values()):,} of {sum(pair[1] for pair in tests.values()):,}"


def page(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The page, line by line, from the counts by transformers' version."""
    sets = sorted(found, key=lambda name: [int(part) for part in name.split(".")[:3]], reverse=True)
    yield "# Reliability"
    yield ""
    yield 'What we promise, and how often it held when we tried to break it: "20 of 20" means 20 times in 20 tries.'
    yield "We try with two versions of transformers and the libraries that go with them. `python -m tests.promises`"
    yield "makes this page from the last results of `make test` and `make stress`."
    yield ""
    yield "| promise | how it is tested | " + " | ".join(f"transformers {name}" for name in sets) + " | command |"
    yield "|---|---|" + "---|" * (len(sets) + 1)
    for promise in PROMISES:
        results = [totals(tests) if (tests := found[name].get(promise.key)) else "not run" for name in sets]
        yield f"| {promise.promised} | {promise.tested} | {' | '.join(results)} | `{promise.command}` |"
    yield ""
    yield "## Found by these tests and fixed"
    yield ""
    for fault in MENDED:
        yield f"- {fault}"


def main() -> None:
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(CACHE.glob("*.json"))}
    sys.stdout.write("\n".join(page(found)) + "\n")


if __name__ == "__main__":
    main()
