"""Small jobs on datasets: split one, convert to chats, dump the prepared blocks.

Rows are streamed; files are written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from training_pro.data.bad_rows import BadRows, RowFault
from training_pro.data.conversations import Message, chat_field, conversation_of
from training_pro.data.files import find_dataset
from training_pro.data.rows import Row, read_rows
from training_pro.data.samples import Samples
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.progress import Progress, no_progress
from training_pro.record.files import whole_file
from training_pro.text.reading import read_text, text_files
from training_pro.text.sections import section_spans, unescape

_QUESTIONS = ("instruction", "question", "prompt")
_ANSWERS = ("output", "response", "answer", "completion")


def split_dataset(
    name: str, eval_percent: float, folders: Folders, *, seed: int = 42, overwrite: bool = False
) -> tuple[str, str]:
    """Part the rows of dataset `name` at random into ``NAME_train.jsonl`` and ``NAME_eval.jsonl``.

    The names of both files come back, to be selected. Every row is in exactly one of them, as it was.

    Raises:
        DataError: not a row file, a bad row, fewer than two rows, or a file is there already.
    """
    if not 0 < eval_percent < 100:
        raise DataError(f"The share for evaluation is {eval_percent:g} %; it must lie between 0 and 100 %.")
    path = find_dataset(name, folders.datasets)
    targets = [_target(path, ending, folders, overwrite) for ending in ("_train.jsonl", "_eval.jsonl")]
    count = sum(1 for _ in read_rows(path, BadRows(path.name, "stop")))
    if count < 2:
        raise DataError(f"{path.name} has {count} row; splitting needs at least 2.")
    held = min(count - 1, max(1, round(count * eval_percent / 100)))
    is_eval = np.zeros(count, bool)
    is_eval[np.random.default_rng(seed).permutation(count)[:held]] = True
    with ExitStack() as stack:
        files = [stack.enter_context(_written(target)) for target in targets]
        for (_, row), to_eval in zip(read_rows(path, BadRows(path.name, "stop")), is_eval, strict=True):
            _write_line(files[int(to_eval)], row)
    return targets[0].name, targets[1].name


def rows_to_chats(name: str, system: str, folders: Folders, *, overwrite: bool = False) -> str:
    """Instruction or chat rows to ``NAME.jsonl`` of messages; the name comes back.

    `system` goes before each conversation that has no system message of its own. An `input` stays: it follows
    the instruction after an empty line.

    Raises:
        DataError: a bad row, or a file is there already.
    """
    path = find_dataset(name, folders.datasets)
    target = _target(path, "_chat.jsonl" if path.suffix == ".jsonl" else ".jsonl", folders, overwrite)
    _write_lines(target, _chats(path, system.strip()))
    return target.name


def text_to_chats(
    name: str, hard_cut: str, system: str, prompt: str, folders: Folders, *, overwrite: bool = False
) -> str:
    """Each section of a text, as the answer to `prompt`, to ``NAME.jsonl`` of messages; the name comes back.

    Raises:
        DataError: no text, no prompt, or a file is there already.
    """
    if not prompt.strip():
        raise DataError("The prompt is empty; write the question that every section is to answer.")
    path = find_dataset(name, folders.datasets)
    target = _target(path, ".jsonl", folders, overwrite)
    texts = [read_text(file) for file in text_files(path)]
    sections = [text[start:end] for text in texts for start, end in section_spans(text, [unescape(hard_cut)])]
    if not sections:
        raise DataError(f"{path.name} holds no text; choose a file with some.")
    head = [{"role": "system", "content": system.strip()}] if system.strip() else []
    _write_lines(
        target,
        (
            {"messages": [*head, {"role": "user", "content": prompt}, {"role": "assistant", "content": section}]}
            for section in sections
        ),
    )
    return target.name


def dump_samples(samples: Samples, target: Path, with_ends: bool, progress: Progress = no_progress) -> None:
    """The samples as they are trained, one ``{"text", "kind", "tokens", "trained"}`` a line.

    `with_ends`: with BOS and EOS as they are written, else without them.

    Raises:
        RunError: `target` can't be written.
        Cancelled: from `progress`.
    """
    with _written(target) as file:
        for index in range(len(samples)):
            preview = samples.preview(index)
            first = 0 if with_ends or not preview.bos else 1
            last = len(preview.tokens) - (0 if with_ends or not preview.eos else 1)
            text = "".join(token.text for token in preview.tokens[first:last])
            counts = {"tokens": len(preview.tokens), "trained": preview.trained}
            _write_line(file, {"text": text, "kind": preview.kind, **counts})
            if index % 100 == 0:
                progress(index, len(samples), "Writing blocks")


def _target(path: Path, ending: str, folders: Folders, overwrite: bool) -> Path:
    target = folders.datasets / (path.stem + ending)
    if target.exists() and not overwrite:
        raise DataError(f"{target.name} is there already; rename it, or choose to overwrite it.")
    return target


@contextmanager
def _written(target: Path) -> Iterator[TextIO]:
    """A text file that takes its place once the body has ended well."""
    with whole_file(target) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        yield file


def _write_lines(target: Path, rows: Iterable[Row]) -> None:
    with _written(target) as file:
        for row in rows:
            _write_line(file, row)


def _write_line(file: TextIO, row: Row) -> None:
    file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _chats(path: Path, system: str) -> Iterator[Row]:
    bad = BadRows(path.name, "stop")
    for number, row in read_rows(path, bad):
        try:
            yield {"messages": _messages(row, system)}
        except RowFault as fault:
            bad.reject(number, str(fault), row)


def _messages(row: Row, system: str) -> list[Message]:
    messages = conversation_of(row) if chat_field(row) else _instruction(row)
    if system and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": system})
    return messages


def _instruction(row: Row) -> list[Message]:
    question, answer = _field(row, _QUESTIONS), _field(row, _ANSWERS)
    more = row.get("input")
    if isinstance(more, str) and more.strip():
        question = f"{question}\n\n{more}"
    own_system = row.get("system")
    head = [{"role": "system", "content": own_system}] if isinstance(own_system, str) and own_system.strip() else []
    return [*head, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _field(row: Row, names: tuple[str, ...]) -> str:
    name = next((name for name in names if row.get(name) is not None), None)
    if name is None:
        raise RowFault(f"it has none of the fields {', '.join(names)}")
    value: Any = row[name]
    if not isinstance(value, str) or not value.strip():
        raise RowFault(f'the field "{name}" is empty or not text')
    return value
