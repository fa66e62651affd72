"""Sentences name ways out in the page's words; here each is told again as what to type, from one table.

A control's label becomes ``--set NAME=VALUE`` with the name from `SPECS`; what is no setting is in `_PHRASES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from training_pro.settings import SPECS

SETTINGS_COMMANDS = frozenset({"train", "queue", "experiment", "verify", "batch-size", "dump"})
_EXPORTS = frozenset({"merge", "gguf"})
_DATA = frozenset({"download", "split", "rows-to-jsonl", "text-to-jsonl", "unwrap", "dump"})
_TRAIN = frozenset({"train"})
_DOWNLOAD = frozenset({"download"})
_PHRASES: tuple[tuple[str, str, frozenset[str]], ...] = (  # words, what to type, where
    ("Override Existing Files", "--existing replace", _TRAIN),
    ("replace it", "--existing replace", _TRAIN),
    ("on top of its weights", "--existing on-top", _TRAIN),
    ("choose another name|take another name|type one under Name|choose another\\.$", "--set name=...", _TRAIN),
    ("load the model in 4-bit", "--quantization 4-bit", SETTINGS_COMMANDS | {"perplexity"}),
    ("a smaller model", "--model DIR", SETTINGS_COMMANDS | {"perplexity"} | _EXPORTS),
    ("choose to overwrite it", "--overwrite", _DATA),
    ("allow private addresses", "--allow-private", _DOWNLOAD),
    ("at most [\\d,]+ are fetched", "--max-mb MB", _DOWNLOAD),
    ("ask for it to be replaced", "--replace", _EXPORTS),
    ("choose another place", "--output PATH", _EXPORTS),
    ("the LoRA is unfinished", "--checkpoint UPDATE", _EXPORTS),
)
_QUOTED_DATA = re.compile(r"\(the row begins: .*\)")


def with_options(sentence: str, command: str) -> str:
    """The sentence, each line of it followed by the options of `command` for the ways out that it names."""
    return "\n".join(_with_options(line, command) for line in sentence.split("\n"))


def options_for(line: str, command: str) -> list[str]:
    """What can be typed for the ways out in `line`, in its order; nothing twice, nothing that it already names."""
    text = _QUOTED_DATA.sub("", line)
    found: list[tuple[int, str]] = []
    for words, option, commands in _PHRASES:
        match = re.search(words, text) if command in commands else None
        if match:
            found.append((match.start(), option))
            text = text[: match.start()] + " " * len(match.group()) + text[match.end() :]
    if command in SETTINGS_COMMANDS:
        found += _settings_in(text)
    options = dict.fromkeys(option for _, option in sorted(found))
    return [option for option in options if option not in line]


def _with_options(line: str, command: str) -> str:
    options = options_for(line, command)
    return f"{line} (here: {', '.join(options)})" if options else line


def _settings_in(text: str) -> Iterator[tuple[int, str]]:
    """Where each control is named and how it is set; a label of one word counts only where it must be meant."""
    way_out = re.search("[;:] |$", text)
    assert way_out is not None
    for name, label in _LABELS:
        for match in re.finditer(rf'(?<!\w)"?{re.escape(label)}"?(?!\w)', text):
            text = text[: match.start()] + "_" * len(match.group()) + text[match.end() :]
            clear = " " in label or match.group().startswith('"') or match.start() == 0
            if (clear or match.start() > way_out.start()) and not text[match.end() :].startswith(f" ({name})"):
                yield match.start(), f"--set {name}={_value(text, match)}"


def _value(text: str, label: re.Match[str]) -> str:
    """What the sentence says to set it to."""
    before, after = text[: label.start()], text[label.end() :]
    for word in ("on", "off"):
        if before.endswith(f"turn {word} ") or (before.endswith("turn ") and re.match(rf" {word}\b", after)):
            return word
    said = (
        re.match(r" to ([\w.-]*\w)", after) if before.endswith("set ") else re.search(r"set it to ([\w.-]*\w)", after)
    )
    return said.group(1) if said else "..."


_LABELS = sorted(
    ((name, spec.label.partition(" (")[0]) for name, spec in SPECS.items()), key=lambda pair: len(pair[1]), reverse=True
)
