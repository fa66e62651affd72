"""The texts that are trained and measured, and the questions about them. Costs reading some small files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import training_pro

TEXTS = Path(__file__).parent / "texts"
ASSETS = Path(training_pro.__file__).parent / "assets"
CUT = "\n\n\n"
SMALL_SECTIONS, SMALL_QUESTIONS = 5, 31  # of the market: its first sections, and the questions about them
KETTLE_HELD_OUT = ("The maker of door knobs came all the same.", "Now for the work.")  # how these sections begin


@dataclass(frozen=True)
class Question:
    """The beginning of a sentence, how it ends, and four wrong ends of the same kind."""

    prompt: str
    answer: str
    wrong: tuple[str, str, str, str]


@dataclass(frozen=True)
class Material:
    """Sections that are trained, sections of the same text that are not, and questions about the trained ones."""

    trained: tuple[str, ...]
    held_out: tuple[str, ...]
    questions: tuple[Question, ...]

    @property
    def text(self) -> str:
        return CUT.join(self.trained) + "\n"


@cache
def material(name: str) -> Material:
    """The text of this name: "market" (some 380 tokens), "whole market" (some 670), or "kettle" (some 5,600)."""
    if name == "kettle":
        sections = _sections(ASSETS / "sample.txt")
        held_out = tuple(section for section in sections if section.startswith(KETTLE_HELD_OUT))
        trained = tuple(section for section in sections if section not in held_out)
        return Material(trained, held_out, _questions("kettle"))
    trained, questions = _sections(TEXTS / "market.txt"), _questions("market")
    if name == "market":
        trained, questions = trained[:SMALL_SECTIONS], questions[:SMALL_QUESTIONS]
    return Material(trained, _sections(TEXTS / "market_held_out.txt"), questions)


def general_text() -> tuple[str, ...]:
    """The sections of a text that has nothing to do with the trained ones."""
    return _sections(TEXTS / "general.txt")


def _sections(path: Path) -> tuple[str, ...]:
    return tuple(part.strip() for part in path.read_text(encoding="utf-8").split(CUT) if part.strip())


def _questions(name: str) -> tuple[Question, ...]:
    rows = [json.loads(line) for line in (TEXTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return tuple(Question(row["prompt"], row["answer"], tuple(row["wrong"])) for row in rows)
