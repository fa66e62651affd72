"""Are exactly the assistant's turns trained, in every row of the folder's row files, under every family of templates?

Each instruction row becomes a chat of one turn, with a system message and without, and three rows together a chat of
three turns; where the template strips thinking, the answers think first. `wrong` rows are those where an id, the mask
of a token or the decoded text is not the reference's. In `straddling` rows a token holds characters of an answer and
of what is beside it. Takes some two minutes for a thousand rows.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.data.mask_check import Tally, checked, numbers_of
from tests.data.reference_chats import FAMILIES, Pieces
from tests.data.row_files import write_rows
from tests.data.tiny import CONTROL
from training_pro.data.prepare import prepare
from training_pro.data.rendering.formats import SHIPPED
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.chats import chat_field, chat_of
from training_pro.data.rows.rows import ROW_TYPES, Row, read_rows
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.hosts.embedded import embedded_model
from training_pro.settings import Settings

MAX_TOKENS = 32_768
NEEDLES = {"alpaca-format": "### Response:\n", "vicuna-format": "ASSISTANT: "}
Talk = list[dict[str, Any]]


def figures(data: Path) -> Iterator[dict[str, Any]]:
    """A line for each file and family, and for Train Only After."""
    tokenizer = _tokenizer()
    for path in sorted(file for file in data.iterdir() if file.suffix in ROW_TYPES):
        try:
            rows = [row for _, row in read_rows(path, BadRows(path.name, "stop"))]
        except DataError as error:
            yield {"name": "masks", "file": path.name, "left_out": str(error)}
            continue
        if not {"instruction", "output"} <= rows[0].keys() and chat_field(rows[0]) is None:
            yield {"name": "masks", "file": path.name, "left_out": "neither instructions nor chats"}
            continue
        talks = [_talk(row) for row in rows]
        for family in FAMILIES:
            yield _line(f"masks_{family}", path, _family(family, talks, tokenizer))
        if "instruction" in rows[0]:
            for name, needle in NEEDLES.items():
                yield _line(f"masks_after_{name}", path, _after(name, needle, rows, tokenizer))


def _tokenizer() -> Any:
    """The embedded model's, with the families' control tokens."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(embedded_model())
    tokenizer.add_special_tokens(
        {"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": [*CONTROL, "<s>", "</s>"]}
    )
    return tokenizer


def _line(name: str, path: Path, tally: Tally) -> dict[str, Any]:
    return {"name": name, "file": path.name, **asdict(tally)}


def _talk(row: Row) -> Talk:
    if chat_field(row):
        return chat_of(row).messages
    more = row.get("input") or ""
    question = f"{row['instruction']}\n\n{more}" if more.strip() else row["instruction"]
    return [{"role": "user", "content": question}, {"role": "assistant", "content": row["output"]}]


def _variants(talks: list[Talk], thinking: bool) -> list[Talk]:
    system = {"role": "system", "content": "Answer in full sentences."}
    plain = [talk for talk in talks if talk[0]["role"] != "system"]
    joined = [[turn for talk in plain[at : at + 3] for turn in talk] for at in range(0, len(plain), 3)]
    found = [*talks, *([system, *talk] for talk in plain), *joined]
    return [[_thinks(turn, talk) for turn in talk] for talk in found] if thinking else found


def _thinks(turn: dict[str, Any], talk: Talk) -> dict[str, Any]:
    """Every second answer, by its length, comes after a thought."""
    if turn["role"] != "assistant" or len(turn["content"]) % 2:
        return turn
    return {**turn, "content": f"<think>\n{talk[0]['content'].strip()}\n</think>\n\n{turn['content']}"}


def _family(family: str, talks: list[Talk], tokenizer: Any) -> Tally:
    known = FAMILIES[family]
    host = copy.deepcopy(tokenizer)
    host.chat_template = known.template
    rows = [{"messages": talk} for talk in _variants(talks, "thinking" in family)]
    return _tally(rows, host, [known.pieces(row["messages"]) for row in rows], loss_on="assistant")


def _after(name: str, needle: str, rows: list[Row], tokenizer: Any) -> Tally:
    return _tally(
        rows, tokenizer, [_reference_after(name, needle, row) for row in rows],
        format=name, train_only_after=needle, add_bos=False,
    )  # fmt: skip


def _reference_after(name: str, needle: str, row: Row) -> Pieces:
    """By the format files' own text."""

    entries = json.loads((SHIPPED / f"{name}.json").read_text(encoding="utf-8"))
    filled = [field for field in ("instruction", "input", "output") if row.get(field, "").strip()]
    template = next(text for fields, text in entries.items() if sorted(fields.split(",")) == sorted(filled))
    head, question, rest = template.partition("%instruction%")
    text = head + (row["instruction"] if question else "") + rest.replace("%output%", "\0")
    text = text.replace("%input%", row.get("input", "")).replace("\0", row["output"])
    place = text.index(needle) + len(needle)
    return [(text[:place], False), (text[place:], True), ("</s>", True)]


def _tally(rows: list[Any], tokenizer: Any, references: list[Pieces], **choices: Any) -> Tally:
    with tempfile.TemporaryDirectory() as place:
        folders = Folders.under(Path(place))
        folders.make()
        write_rows(folders, "rows.jsonl", rows)
        settings = Settings(dataset="rows.jsonl", max_tokens=MAX_TOKENS, too_long="stop", **choices)
        train = prepare(settings, tokenizer, folders, cache=False).train
        tally = checked(train, tokenizer, dict(enumerate(references, 1)))
    for row in set(range(1, len(rows) + 1)) - set(numbers_of(train)):
        tally.add("it is not among the samples", row)
    return tally
