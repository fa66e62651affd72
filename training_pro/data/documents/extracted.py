"""What a reader of documents hands over: the text, and what it left out, by name and count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

CHAPTER_END = "\n\n\n"  # the default Hard Cut String
_BLANK_LINES = re.compile(r"\n{4,}")


@dataclass(frozen=True)
class Extracted:
    """`removed` says what is not in the text: "page numbers" and the like, with how many."""

    text: str
    removed: Mapping[str, int] = field(default_factory=dict)


def joined_chapters(chapters: list[Extracted]) -> Extracted:
    """The chapters that have text, with a hard cut between two."""
    removed: Counter[str] = Counter()
    for chapter in chapters:
        removed.update(chapter.removed)
    texts = [chapter.text.strip() for chapter in chapters]
    return Extracted(_tidy(CHAPTER_END.join(text for text in texts if text)), +removed)


def _tidy(text: str) -> str:
    return _BLANK_LINES.sub(CHAPTER_END, text) + ("\n" if text else "")


def removed_words(removed: Mapping[str, int]) -> str:
    """ "page numbers (12), images (3)"; "" for nothing."""
    return ", ".join(f"{name} ({count:,})" for name, count in removed.items() if count)
