"""PDF files to text by pypdf: running heads and page numbers left out, lines and hyphens joined to paragraphs.

A PDF knows places of letters, no paragraphs: look at the text before you train on it (``convert`` writes it down).
Costs some 50 pages a second.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from training_pro.data.documents.extracted import Extracted
from training_pro.errors import DataError
from training_pro.text.splitting.unwrapping import unwrap
from training_pro.words import reason_of

_EDGE_LINES = 2  # of a page's top and bottom, where its head and its number are
_OFTEN = 0.4  # of the pages
_AT_LEAST = 3
_HEAD_CHARS = 80  # a running head has no more
_NUMBER = re.compile(r"\W*(?:page\s+|p\.\s*)?(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*\d{1,4})?\W*", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")


def pdf_text(path: Path) -> Extracted:
    """The text of all pages.

    Raises:
        DataError: no PDF, one with a password, or one whose pages are pictures.
    """
    pages = _page_texts(path)
    if not any(page.strip() for page in pages):
        raise DataError(
            f"{path.name} holds {len(pages)} pages but no text: they are pictures. Use a program for text "
            "recognition (OCR) first."
        )
    kept, removed = _without_edges([page.splitlines() for page in pages])
    lines = "\n".join("\n".join(page) for page in kept if page)
    text = unwrap(lines)
    joined = lines.count("\n") - text.count("\n")
    return Extracted(text.strip() + "\n", +Counter({**removed, "line ends inside paragraphs": joined}))


def _page_texts(path: Path) -> list[str]:
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it reports each oddity of a file that it reads all the same
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DataError(f"{path.name} has a password. Save it without one.")
        return [_page_text(page) for page in reader.pages]
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - what a broken PDF raises is anything
        reason = reason_of(error, 120)
        raise DataError(f"{path.name} can't be read as a PDF ({reason}); open it and save it again.") from None


def _page_text(page: Any) -> str:
    lines = (line.rstrip() for line in (page.extract_text() or "").splitlines())
    return "\n".join(lines).strip("\n")


def _without_edges(pages: list[list[str]]) -> tuple[list[list[str]], Counter[str]]:
    """The pages without the lines at top and bottom that come on many of them, and what these were."""
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({_pattern(line) for line in _edges(lines)})
    often = {line for line, count in seen.items() if count >= max(_AT_LEAST, _OFTEN * len(pages))}
    removed: Counter[str] = Counter()
    kept = []
    for lines in pages:
        here = list(lines)
        for at in (0, -1):
            for _ in range(_EDGE_LINES):
                if here and _pattern(here[at]) in often:
                    is_number = _NUMBER.fullmatch(here[at].strip()) is not None
                    removed["page numbers" if is_number else "page headers and footers"] += 1
                    del here[at]
        kept.append(here)
    return kept, removed


def _edges(lines: list[str]) -> list[str]:
    return [line for line in (*lines[:_EDGE_LINES], *lines[-_EDGE_LINES:]) if len(line) <= _HEAD_CHARS]


def _pattern(line: str) -> str:
    """The line with its numbers alike: "12 | The Lock" is "# | the lock"."""
    line = line.strip().lower()
    return "#" if _NUMBER.fullmatch(line) else _DIGITS.sub("#", line)
