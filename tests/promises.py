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
        "A run that is killed goes on to the very LoRA it would have made",
        "SmolLM2 in 4-bit, `kill -9` at random moments and inside a checkpoint's writing, then the same `train` "
        "command; the final weights are compared byte for byte",
        "make stress",
    ),
    Promise(
        "stopped",
        "Stopped at any write, by a kill or by losing power, nothing is lost and the run can be gone on with",
        "A run's writes are found by watching; the folder is rebuilt as a kill or a power cut before each of them "
        "would leave it (what was not forced to the disk thrown away); every checkpoint must load, the newest be at "
        "most one interval old, older LoRAs and settings be untouched, and the run must go on to the same bytes",
        "make stress",
    ),
    Promise(
        "memory",
        "Running out of memory ends no run that can go on, and harms none that can't",
        "Memory runs out at each of these places in a whole run: forward, backward, clipping, optimizer step, "
        "evaluation, sample, checkpoint, final save, loading, snapshot, LoRA, giving the model back. The run ends or "
        "goes on as it should with one sentence, the host's model is the same to the last bit, and a run that failed "
        "goes on to the bytes of the undisturbed one",
    ),
    Promise(
        "disk",
        "A disk that is full, read-only or faulty costs at most the updates since the last checkpoint",
        "The disk refuses from the start or from an update on, also inside torch's and safetensors' writers; then as "
        "above",
    ),
    Promise(
        "full disk",
        "A full disk or a refused write, at any write, is said and harms nothing",
        "File systems that are really too small, from 16 kB on; and each of a run's writes refused once, with the disk "
        "full or the permission gone; with room again, the run goes on to the same bytes",
        "make stress",
    ),
    Promise(
        "parts",
        "A loss gone wrong, a broken row, a part that raises or an unreachable hub loses nothing",
        "Each is put into a whole run; then as above. Without a network, none is even asked for",
    ),
    Promise(
        "bad input",
        "Whatever is handed in is answered with one clear sentence, and nothing is written",
        "settings in each way they can be given, form values, names and paths, data files, chat templates, tokenizers, "
        "adapters, model folders, addresses and command lines that are wrong, broken or hostile",
    ),
    Promise(
        "no one in",
        "Nothing that is handed in is run, leaves the host's folders, or does what the page does not allow",
        "pickles, templates and HTML that would do something if they were run; links out of the folders; handlers "
        "called past the page; secrets looked for in all that a run leaves behind",
    ),
    Promise(
        "fuzzing",
        "No bytes bring a reader down",
        "the readers of rows, formats, templates, settings, names, adapters, histories, states, queues, tables, "
        "prepared data, live statuses, commands, texts, hard cuts, abbreviations, addresses, answers of hosts and GGUF "
        "files: each gives a value that keeps its contract (sentences tile the text, a history is gone on with whole) "
        "or one clear sentence, and writes nothing; by hypothesis in `make test`, by atheris, which is guided by the "
        "code that an input reaches, a minute each in `make stress`; counted are the inputs",
        "make test stress",
    ),
    Promise(
        "many hands",
        "One run at a time, no deadlock, no lost command, whatever is pressed at once",
        "ten clients that start, steer, pause, interrupt, delete, undo, rename, verify and ask, two pages in a browser "
        "and the command line on the same folders (counted are the actions); in `make test` without the pages",
        "make stress",
    ),
    Promise(
        "long run",
        "Threads, files, memory and disk stay flat over 200,000 updates",
        "a tiny model, two readers that ask the tab each second what is new, rotating checkpoints",
        "make stress",
    ),
)

MENDED = (
    "An event of a history whose kind was a number came to the page as one.",
    "A run killed before its first file left a folder that its own command then refused to go on with.",
    "Override moved a killed run aside with its half-written files, which stayed there for good.",
    "Half-written files of a killed run stayed until that very run was started again; now any start takes them away.",
    "The name of a new run's folder, and the move of an older one aside, were not forced to the disk: a power cut "
    "could take back the one and keep the other.",
    "Two processes that started a run of one name at the same moment wrote into one folder.",
    "Out of memory while the finished LoRA was saved lost it; it gets a second try.",
    "Out of memory while the host's model was given back left it half restored.",
    "Out of memory in a place that has no answer of its own was called a defect instead of what it is.",
    "A row of the evaluation data that can't be read was called a defect; it is named as a row of the training is.",
    "torch's complaint about a folder that is gone was called a defect.",
    "A name that stood twice in a settings file was taken as its last value without a word; it is refused.",
    "A settings file with a 13th month, a huge number or a bomb of aliases, and one without an end such as "
    "/dev/zero, ended in a trace or not at all.",
    "A value with thousands of digits, or one that grows when it is written out, broke the sentence about it.",
    "A setting with half a character passed, and the run then failed at writing its settings.",
    "A file name of 300 characters was called a defect instead of a file that is not there.",
    "A wrong number in an old settings file was called the seed.",
    "A chat template that computes a power or with huge numbers could hold a whole processor for hours, or fill the "
    "memory; one that loops only for a system message was never ended; one of ten megabytes was taken.",
    "A template file with a date that is none was called a defect.",
    "Tensors of a safetensors file could lie over each other, and the checkpoint counted as whole.",
    "An adapter's alpha of thousands of digits, and a nested config.json of a model, were called defects.",
    "A pickle that does something, as a model's or a LoRA's weights, was refused but called a defect.",
    "A model folder that brings code of its own made transformers ask at the terminal whether to run it; it never is.",
    "The page's chart settings could be set to what no chart can draw, and it then stayed away.",
    "The phase of a run in another process went into the page's HTML as it stood in its file.",
    "`blocks --tokenizer` with a folder that holds none ended in a trace, after asking a hub.",
    "A LoRA whose settings name other layers than its weights was put on without effect and without a word.",
    "A tokenizer that names a special token it does not have ended the preparation of rows.",
    "Whoever waited for a run in the very moment of its start got an error of threads.",
    "A list of checkpoints failed when one was rotated away, or its run moved, while it was looked at.",
    "A comment with a carriage return in it broke the table of perplexities.",
    "In several processes on processors, transformers 5.6 could not load the optimizer's state again.",
    "Whoever waited for a run in a process of its own was never told of its end, and the queue stood still.",
    "The cache and the fingerprint of instruction rows hung on the order of a set: such a run, killed, could not be "
    "continued in another process.",
    "Override, or training on top, moved a good LoRA aside for a run that then failed before its first update.",
    "With Override on, a killed run that its own command should have gone on with was begun anew.",
    "Two processes that changed the queue at once lost entries of it.",
    "The watchdog ended healthy runs over data of which a part is easy and a part hard.",
    "A model that the WebUI had unloaded for idleness could not be trained, and its name was lost.",
    "A token that the tokenizer has and the model has not ended a run with an error of indices.",
    "A stop that was moved while a continued run was still preparing its data was forgotten.",
    "A checkpoint by hand in a pause took its name from the best one, and rotation then took that away.",
    "A failed write of a checkpoint left its file open, and so its room on the disk taken.",
    "A number of 400 digits in a row ended the preparation with a trace.",
    "The splitting of a long text without spaces could not be cancelled.",
    "A free memory was believed in that the container does not give.",
    "A host that led a download on to what is no address, or announced a size of thousands of digits, ended it in a "
    "trace.",
    "A GGUF file that is cut off was read without end and filled the memory.",
    "A safetensors file whose header the library can't load (a name twice, say) counted as whole.",
    "A line of the table of perplexities that was copied by hand was removed, and commented on, with its twin.",
    "Prepared data with a manifest that is nested too deeply, or arrays that end too early, were called defects.",
    "A line end or thousands of characters in a field's name went into the sentence about its row or format.",
    "A --set without = was repeated in full in the sentence about it, however long.",
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
    yield "What is promised, and what became of the tries to break it. Survived of tried, by the installed libraries;"
    yield "made by `python -m tests.promises` after `make test` and `make stress`."
    yield ""
    yield "| promise | how it is tested | " + " | ".join(f"transformers {name}" for name in sets) + " | command |"
    yield "|---|---|" + "---|" * (len(sets) + 1)
    for promise in PROMISES:
        results = [totals(tests) if (tests := found[name].get(promise.key)) else "not run" for name in sets]
        yield f"| {promise.promised} | {promise.tested} | {' | '.join(results)} | `{promise.command}` |"
    yield ""
    yield "## Found by these tests, and mended"
    yield ""
    for fault in MENDED:
        yield f"- {fault}"


def main() -> None:
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(CACHE.glob("*.json"))}
    sys.stdout.write("\n".join(page(found)) + "\n")


if __name__ == "__main__":
    main()
