"""Word documents (.docx) to text by python-docx: paragraphs and tables, tracked changes as accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_pro.data.documents.extracted import CHAPTER_END, Extracted
from training_pro.errors import DataError
from training_pro.words import reason_of

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # the same text a second time
_NOT_READ = (f"{_W}del", f"{_W}moveFrom", f"{_W}p", _FALLBACK)
_COUNTED = {
    f"{_W}footnoteReference": "footnote marks",
    f"{_W}endnoteReference": "footnote marks",
    f"{_W}commentReference": "comments",
    f"{_W}drawing": "images",
    f"{_W}del": "deleted passages",
}
_CHAPTER_STYLES = ("heading 1", "title")


def word_text(path: Path) -> Extracted:
    """The document's text. Headers, footers, footnotes, comments and images are left out and counted; a heading of
    the first level begins a chapter, with a hard cut before it.

    Raises:
        DataError: no Word document, or one with a password.
    """
    import docx

    try:
        with path.open("rb") as file:  # a path would be in its errors, in full
            document = docx.Document(file)
    except Exception as error:  # noqa: BLE001 - what a broken zip or XML raises is anything
        reason = reason_of(error, 120)
        raise DataError(
            f"{path.name} can't be read as a Word document ({reason}); open it and save it as .docx again."
        ) from None
    body = document.element.body
    removed = Counter(_COUNTED[str(found.tag)] for found in body.iter(*_COUNTED))
    removed["page headers and footers"] = len(set(_edges(document)))
    return Extracted("".join(_paragraphs(document, body)) + "\n", +removed)


def _paragraphs(document: Any, body: Any) -> Iterator[str]:
    """Each paragraph with text, after what separates it from the one before."""
    before = ""
    cell: Any = None
    for paragraph in body.iter(f"{_W}p"):
        text = "".join(_runs(paragraph)).strip("\n")
        if not text.strip() or next(paragraph.iterancestors(_FALLBACK), None) is not None:
            continue
        kind = _kind(document, paragraph)
        last_cell, cell = cell, paragraph.getparent() if kind == "table" else None
        if cell is not None and last_cell is not None and cell.getparent() is last_cell.getparent():
            yield " " if cell is last_cell else "\t"
        elif before:
            yield CHAPTER_END if kind == "chapter" else "\n" if kind == before != "plain" else "\n\n"
        yield f"- {text}" if kind == "list" else text
        before = kind


def _kind(document: Any, paragraph: Any) -> str:
    name = _style_name(document, paragraph.style)
    if name in _CHAPTER_STYLES:
        return "chapter"
    in_table = paragraph.getparent().tag == f"{_W}tc"
    return "table" if in_table else "list" if name.startswith("list ") else "plain"


def _style_name(document: Any, style: str | None) -> str:
    if style is None:
        return ""
    found = next((known.name for known in document.styles if known.style_id == style), None)
    return (found or style).lower()


def _runs(element: Any) -> Iterator[str]:
    """The pieces of a paragraph's own text, in order."""
    for child in element:
        if child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag == f"{_W}tab":
            yield "\t"
        elif child.tag in (f"{_W}br", f"{_W}cr"):
            yield "\n"
        elif child.tag not in _NOT_READ and isinstance(child.tag, str):
            yield from _runs(child)


def _edges(document: Any) -> Iterator[str]:
    for section in document.sections:
        for edge in (section.header, section.footer, section.first_page_header, section.first_page_footer):
            text = "\n".join(paragraph.text for paragraph in edge.paragraphs).strip()
            if text:
                yield text
