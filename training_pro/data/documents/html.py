"""HTML to text by Beautiful Soup: paragraphs apart, menus, page numbers and footnote marks left out and counted.

Costs about a second per 2 MB. Scripts are never run and nothing is loaded from the network.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from training_pro.data.documents.extracted import CHAPTER_END, Extracted

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

# Stand for white space that is meant, until the rest has been collapsed; no HTML may hold these.
_SPACE, _LINE, _PARAGRAPH, _CHAPTER = "\x1c", "\x1d", "\x1e", "\x1f"
_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_BREAKS = re.compile(f" *[{_LINE}{_PARAGRAPH}{_CHAPTER}][ {_LINE}{_PARAGRAPH}{_CHAPTER}]*")
_LINE_SPACES = re.compile(f"[ {_SPACE}]+\n")
_RAISED = str.maketrans("0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
_MARK = re.compile(r"\s*[\[(]?(?:\d{1,4}|[*\u2020\u2021\u00a7]{1,3}|[a-z])[\])]?\s*")
_PAGE_CLASS = re.compile(r"(?:^|[ _-])page-?(?:num(?:ber)?|break|no)s?(?:$|[ _-])", re.IGNORECASE)
_PARAGRAPHS = (
    *("p", "div", "section", "article", "main", "header", "blockquote", "figure", "figcaption", "address", "aside"),
    *("h3", "h4", "h5", "h6", "ul", "ol", "dl", "dt", "dd", "table", "pre", "hr", "form", "fieldset", "details"),
)
_LINES = ("li", "tr", "option", "summary", "caption")
_CELLS = ("td", "th")
_CHAPTERS = ("h1", "h2")
_CODE = ("script", "style", "noscript", "template", "iframe", "object", "svg", "math", "head", "button", "select")
_MENUS = ("nav", "footer")
_IMAGES = ("img", "image", "picture", "video", "audio", "canvas")


def html_text(data: bytes | str, chapters: bool = True) -> Extracted:
    """The readable text of an HTML page. `chapters`: a hard cut before each heading of the first two levels."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(data, "html.parser")
    removed: Counter[str] = Counter()
    _remove(soup, removed)
    _keep_lines_of_code(soup)
    for names, sign in ((_PARAGRAPHS, _PARAGRAPH), (_LINES, _LINE), (_CHAPTERS, _CHAPTER if chapters else _PARAGRAPH)):
        for tag in soup.find_all(names):
            tag.insert_before(_LINE if tag.name == "li" else sign)
            tag.insert_after(_PARAGRAPH if sign == _CHAPTER else sign)
    for tag in soup.find_all("br"):
        tag.replace_with(_LINE)
    for tag in soup.find_all(_CELLS):
        if tag.find_previous_sibling(_CELLS) or (
            tag.parent and tag.parent.name in _CELLS
        ):  # a cell before it has no end
            tag.insert_before(_SPACE)
    for tag in soup.find_all("li"):
        tag.insert(0, "- ")
    return Extracted(_laid_out(soup.get_text()), +removed)


def _remove(soup: BeautifulSoup, removed: Counter[str]) -> None:
    for tag in soup.find_all(_CODE):
        tag.decompose()  # nothing that a reader of the page would see as text
    for names, what in ((_MENUS, "menus and footers"), (_IMAGES, "images")):
        for tag in soup.find_all(names):
            if not tag.decomposed:
                removed[what] += 1
                tag.decompose()
    for tag in soup.find_all(_is_page_number):
        removed["page numbers"] += bool(tag.get_text().strip())
        tag.decompose()
    for tag in soup.find_all(("sup", "a")):
        if tag.decomposed:
            continue
        if _is_note_mark(tag):
            removed["footnote marks"] += 1
            tag.decompose()
        elif tag.name == "sup" and tag.string and tag.string.strip().isdecimal():
            tag.string = tag.string.translate(_RAISED)  # "10<sup>6</sup>" is no 106


def _kinds(tag: Any) -> str:
    return f"{tag.get('epub:type', '')} {tag.get('role', '')}".lower()


def _is_page_number(tag: Any) -> bool:
    classes = " ".join(tag.get("class") or ())
    short = len(tag.get_text()) < 20
    return short and ("pagebreak" in _kinds(tag) or _PAGE_CLASS.search(classes) is not None)


def _is_note_mark(tag: Any) -> bool:
    if not _MARK.fullmatch(tag.get_text()):
        return False
    if tag.name == "a":  # [12], or what the book itself calls a mark
        return "noteref" in _kinds(tag) or (bool(tag.get("href")) and tag.get_text().strip().startswith("["))
    return tag.find("a") is not None or tag.get_text().strip().isdecimal() is False or _follows_a_word(tag)


def _follows_a_word(tag: Any) -> bool:
    """ "m<sup>2</sup>" and "10<sup>6</sup>" are no notes: those follow a word of some letters or a stop."""
    before = str(tag.previous_sibling or "")[-3:]
    return len(before) == 3 and (before.isalpha() or before[-1] in ".,;:!?\u201d\u2019\"')")


def _keep_lines_of_code(soup: BeautifulSoup) -> None:
    for block in soup.find_all("pre"):
        for text in block.find_all(string=True):
            text.replace_with(str(text).replace("\r\n", "\n").replace("\n", _LINE).replace(" ", _SPACE))


def _laid_out(text: str) -> str:
    text = _SPACES.sub(" ", text)
    text = _LINE_SPACES.sub("\n", _BREAKS.sub(_line_ends, text))
    return text.replace(_SPACE, " ").strip()


def _line_ends(found: re.Match[str]) -> str:
    signs = found[0]
    if _CHAPTER in signs:
        return CHAPTER_END
    return "\n\n" if _PARAGRAPH in signs else "\n"
