"""EPUB books to text: the chapters in reading order, a hard cut between two.

An EPUB is a zip of XHTML files, a list of them, and an order; a book with copy protection can't be read.
"""

from __future__ import annotations

import posixpath
import unicodedata
import zipfile
import zlib
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError, fromstring

from training_pro.data.documents.extracted import Extracted, joined_chapters
from training_pro.data.documents.html import html_text
from training_pro.errors import DataError
from training_pro.words import reason_of

MOST_CHAPTER_BYTES = 64 << 20  # unpacked; a long book has 3 MB in all
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def epub_text(path: Path) -> Extracted:
    """The book's text without its navigation. Chapters that are missing or damaged are counted as left out.

    Raises:
        DataError: no EPUB, copy protected, or no chapter that can be read.
    """
    try:
        with zipfile.ZipFile(path) as book:
            _refuse_protected(book, path)
            return joined_chapters([_chapter(book, name) for name in _reading_order(book, path)])
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, ParseError) as error:
        reason = reason_of(error, 120) if str(error) else "it is broken off"
        raise DataError(f"{path.name} can't be read as an EPUB book ({reason}). Download it again.") from None


def _refuse_protected(book: zipfile.ZipFile, path: Path) -> None:
    names = set(book.namelist())
    if "META-INF/rights.xml" in names:
        raise _protected(path)
    if "META-INF/encryption.xml" not in names:
        return
    for method in _xml(book, "META-INF/encryption.xml", path).iterfind(".//{*}EncryptionMethod"):
        if method.get("Algorithm") not in _FONTS:
            raise _protected(path)


def _protected(path: Path) -> DataError:
    return DataError(f"{path.name} is copy protected (DRM), so its text can't be read. Use an edition without it.")


def _reading_order(book: zipfile.ZipFile, path: Path) -> list[str]:
    """The names of the chapters' files in the zip."""
    root = next(_xml(book, "META-INF/container.xml", path).iterfind(".//{*}rootfile"), None)
    package = root.get("full-path", "") if root is not None else ""
    listing = _xml(book, package, path)
    items = {item.get("id", ""): item for item in listing.iterfind(".//{*}item")}
    chosen = [
        items[place.get("idref", "")] for place in listing.iterfind(".//{*}itemref") if place.get("idref") in items
    ]
    chosen = chosen or list(items.values())  # a book without an order of its own: as they are listed
    chapters = [
        _member(posixpath.dirname(package), item.get("href", ""))
        for item in chosen
        if "html" in item.get("media-type", "") and "nav" not in item.get("properties", "").split()
    ]
    if not chapters:
        raise DataError(f"{path.name} lists no chapters. Download it again, or save its text as .txt.")
    return list(dict.fromkeys(chapters))  # one file may hold several chapters, each listed with its place in it


def _member(folder: str, href: str) -> str:
    """The name in the zip of what `href` refers to: an address relative to `folder`, escaped, maybe with a place."""
    name = unquote(href.partition("#")[0].partition("?")[0])
    return posixpath.normpath(posixpath.join(folder, name)).lstrip("/")


def _chapter(book: zipfile.ZipFile, name: str) -> Extracted:
    """A chapter's text; names are compared as letters, however these are composed."""
    same = {unicodedata.normalize("NFC", known): known for known in book.namelist()}
    known = same.get(unicodedata.normalize("NFC", name))
    try:
        if known is None or book.getinfo(known).file_size > MOST_CHAPTER_BYTES:
            raise KeyError(name)
        with book.open(known) as part:
            return html_text(part.read(MOST_CHAPTER_BYTES))
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError):
        return Extracted("", {"missing or damaged chapters": 1})


def _part(book: zipfile.ZipFile, name: str, path: Path) -> bytes:
    if book.getinfo(name).file_size > MOST_CHAPTER_BYTES:
        raise DataError(f"{path.name} unpacks to more than {MOST_CHAPTER_BYTES:,} bytes in {name}; save it as .txt.")
    with book.open(name) as part:
        return part.read(MOST_CHAPTER_BYTES)


def _xml(book: zipfile.ZipFile, name: str, path: Path) -> Element:
    return fromstring(_part(book, name, path))
