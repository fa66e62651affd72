"""Kinds of files by their endings, in any letter case: what is a text, and which package reads it."""

from __future__ import annotations

from pathlib import Path

from training_pro.packages import installed

PLAIN = (".txt", ".text", ".md", ".markdown")
SUBTITLES = (".srt", ".vtt", ".ass", ".ssa")
WEB_PAGES = (".html", ".htm", ".xhtml")
DOCUMENTS = (*WEB_PAGES, ".epub", ".docx", ".pdf")  # that say what encoding they are in
PACKED = ".gz"
TEXT_TYPES = (*PLAIN, *SUBTITLES, *DOCUMENTS)
# What reads a kind of file: the module to import and the package to install.
PACKAGE_OF = {
    **{suffix: ("bs4", "beautifulsoup4") for suffix in (*WEB_PAGES, ".epub")},
    **{suffix: ("pysubs2", "pysubs2") for suffix in SUBTITLES},
    ".docx": ("docx", "python-docx"),
    ".pdf": ("pypdf", "pypdf"),
}
UNUSABLE = {
    ".doc": "save it as .docx or .txt",
    ".odt": "save it as .docx or .txt",
    ".rtf": "save it as .docx or .txt",
    ".pages": "export it as .docx or .txt",
    ".mobi": "convert it to .epub, for example with Calibre",
    ".azw": "convert it to .epub, for example with Calibre",
    ".azw3": "convert it to .epub, for example with Calibre",
    ".fb2": "convert it to .epub, for example with Calibre",
    ".xlsx": "save the sheet as .csv",
    ".xls": "save the sheet as .csv",
    ".ods": "save the sheet as .csv",
    ".zip": "unpack it here",
    ".7z": "unpack it here",
    ".rar": "unpack it here",
    ".tar": "unpack it here",
    ".tgz": "unpack it here",
    ".zst": "unpack it here",
    ".xz": "unpack it here",
    ".bz2": "unpack it here",
}


def is_packed(path: Path) -> bool:
    """Whether it is a .gz of something."""
    return path.suffix.lower() == PACKED


def suffix_of(path: Path) -> str:
    """The ending that says what is in the file: that before .gz, in lower case."""
    return Path(path.stem).suffix.lower() if is_packed(path) else path.suffix.lower()


def is_text_file(path: Path) -> bool:
    """Whether its ending is that of a text."""
    return suffix_of(path) in TEXT_TYPES


def missing_package(suffix: str) -> str:
    """The package that has to be installed to read such files; "" for none."""
    module, package = PACKAGE_OF.get(suffix, ("", ""))
    return package if module and not installed(module) else ""
