"""The same rows and the same text for all, in the shape that each trainer reads, and what is held out of both.

Rows are chats of a question and an answer, a few of them long, so that lengths differ as they do in real instructions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evidence.material import ASSETS, CUT

SHORT_ROWS, LONG_ROWS = 12, 4  # of each, as many as are trained
HELD_OUT_ROWS, HELD_OUT_SECTIONS = 6, 4
TEXT_BYTES = 16_000
PARAGRAPH = "\n\n"
FIRST_WORDS = 6  # of a section, that ask for it
SHAPES = {"chats": "rows.jsonl", "text": "text.txt", "paragraphs": "paragraphs.jsonl", "one row": "whole.json"}


@dataclass(frozen=True)
class Data:
    """`rows`: (question, answer). `text` is a whole number of sections, with no hard cuts: only ours knows them."""

    rows: tuple[tuple[str, str], ...]
    held_out_rows: tuple[tuple[str, str], ...]
    text: str
    held_out_text: str

    @property
    def paragraphs(self) -> list[str]:
        return [line for line in self.text.split("\n") if line.strip()]

    def pieces(self, kind: str) -> list[str]:
        """What should reach training."""
        return [side for row in self.rows for side in row] if kind == "rows" else [self.text]

    def write(self, folder: Path) -> None:
        """All shapes, with the names of `SHAPES`."""
        chats = [{"messages": messages(*row)} for row in self.rows]
        files = {
            "chats": _lines(chats),
            "text": self.text,
            "paragraphs": _lines([{"text": paragraph} for paragraph in self.paragraphs]),
            "one row": _lines([{"text": self.text}]),
        }
        for shape, content in files.items():
            (folder / SHAPES[shape]).write_text(content, encoding="utf-8")


def messages(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def data() -> Data:
    """Of the sample text and the sample rows that come with the project."""
    text = (ASSETS / "sample.txt").read_text(encoding="utf-8")
    sections = [part.strip() for part in text.split(CUT) if part.strip()]
    trained: list[str] = []
    while len(CUT.join(trained).encode()) < TEXT_BYTES:
        trained.append(sections[len(trained)])
    rest = sections[len(trained) :]
    short = [_exchange(line) for line in (ASSETS / "sample_rows.jsonl").read_text(encoding="utf-8").splitlines()]
    longer = [(_asked(section), section) for section in rest[HELD_OUT_SECTIONS:]]
    return Data(
        rows=_mixed(short[:SHORT_ROWS], longer[:LONG_ROWS]),
        held_out_rows=(*short[SHORT_ROWS : SHORT_ROWS + HELD_OUT_ROWS], *longer[LONG_ROWS : LONG_ROWS + 2]),
        text=PARAGRAPH.join(trained) + "\n",
        held_out_text=PARAGRAPH.join(rest[:HELD_OUT_SECTIONS]),
    )


def _exchange(line: str) -> tuple[str, str]:
    said = {message["role"]: message["content"] for message in json.loads(line)["messages"]}
    return said["user"], said["assistant"]


def _asked(section: str) -> str:
    return f"How does it continue after: {' '.join(section.split()[:FIRST_WORDS])}?"


def _mixed(short: list[tuple[str, str]], longer: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """A long one after every two or three short ones."""
    every = len(short) / len(longer)
    places = [(number, row) for number, row in enumerate(short)]
    return tuple(row for _, row in sorted([*places, *((at * every, row) for at, row in enumerate(longer))]))


def _lines(rows: Iterable[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
