"""What a text holds by accident: control characters, byte order marks in its middle, HTML entities and tags, soft
hyphens, marks of wikis and LaTeX, Project Gutenberg's notices, the front matter of Markdown, and letters that another
program has read in the wrong encoding ("donâ€™t").

Files that were joined, printed or copied from a page bring them; a model learns them like any word. Costs one search a
kind over the text. Beside the way of a block: Verify shows what is found, and cleaning is a tool.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from html.entities import html5

from training_pro.text import stray_spaces, wrong_letters
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.front_matter import FRONT_MATTER, front_matter
from training_pro.text.wiki_templates import words_shown
from training_pro.words import counted

_WRONG = "wrongly decoded letters"
_ENTITY = r"&(?:#\d{2,7}|#[xX][0-9a-fA-F]{2,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
_TAG_NAMES = "p|div|span|i|b|em|strong|u|a|h[1-6]|ul|ol|li|blockquote|font|center"
_ATTRIBUTES = r"\s[^<>\n=]{0,200}=[^<>\n]{0,200}|\s{0,3}/?"  # "a <b and c> d" has none
_TAG = rf"<(?:/?(?:{_TAG_NAMES})(?:{_ATTRIBUTES})|br\s?/?|hr\s?/?)>"
_HIDDEN = (  # the namespaces of wikis whose links show no words of the text: files and categories
    "file|image|media|category|datei|bild|medium|kategorie|fichier|média|catégorie|archivo|imagen|categoría|ficheiro"
    "|arquivo|imagem|categoria|immagine|bestand|afbeelding|categorie|plik|grafika|kategoria|fil|bilde|billede|kategori"
    "|tiedosto|kuva|luokka|soubor|súbor|kategória|fájl|kép|dosya|resim|fișier|imagine|fitxer|imatge|berkas|gambar"
    "|tập tin|hình|thể loại|dosiero|kategorio|datoteka|slika|kategorija|файл|изображение|категория|зображення|категорія"
    "|картинка|датотека|слика|категорија|αρχείο|εικόνα|κατηγορία|ファイル|画像|カテゴリ|文件|档案|檔案|图像|圖像|分类|分類"
    "|파일|그림|분류|ملف|صورة|تصنيف|پرونده|تصویر|رده|קובץ|תמונה|קטגוריה"
)
_HIDES = re.compile(rf"[ ]?(?:{_HIDDEN})[ ]?:", re.IGNORECASE)
# Code has these too: x[[name]], array([[a]]), [[nodiscard]], [[no_unique_address]], [[gnu::cold]], [[:alpha:]],
# [[x, y]], [[f(x)]], [[a * b]], [[True, False]], and [[package]] on a line of its own.
_IN_CODE = (
    r"[\s\d\"'$-]|nodiscard|maybe_unused|fallthrough|noreturn|deprecated|(?:un)?likely\]|\w+::"
    r"|:[a-z]{4,6}:\]|(?:True|False|None)\b|[a-z](?:,[ ]?[a-z])*\]|[a-z]+_[a-z_]+[\](]"
    r"|[^\[\]\n|]{0,300}?(?:\w\(|[*=<>{};])|(?<=\n\[\[)[a-z0-9_.-]+\]\][ \t]*\n"
)
_LINK = rf"(?!{_IN_CODE})[^\[\]\n]{{1,300}}\]\]"
# {{name|upper}} is a text to be filled in, of Jinja and its kin.
_FILTERED = (
    r"[\w.]+\|(?:safe|e|escape|upper|lower|title|capitalize|trim|length|tojson|default|join|int|float|round|replace|first"
    r"|last|list|sort|unique|indent)\b[(|}]"
)
# A template may go over several lines and hold others; one that begins a line goes with the blank lines after it.
# Braces can be read in one way only: else a template that never ends would be tried in all their mixtures.
_BRACED = r"\{[^{}]{0,200}\}"
_INMOST = rf"\{{\{{[^{{}}]{{0,500}}\}}\}}|\{{\{{{_BRACED}\}}\}}|{_BRACED}"
_INNER = rf"\{{\{{[^{{}}]{{0,2000}}(?:(?:{_INMOST})[^{{}}]{{0,2000}}){{0,20}}\}}\}}"
_TEMPLATE = (
    rf"\{{\{{(?P<line>(?<=\n\{{\{{)|(?<=\A\{{\{{))?(?<!\{{\{{\{{)(?!{_FILTERED})[a-zA-Z][^{{}}\n|]{{0,80}}\s{{0,20}}\|"
    rf"[^{{}}]{{0,4000}}(?:(?:{_INNER}|{_BRACED})[^{{}}]{{0,4000}}){{0,200}}\}}\}}(?(line)\n*)"
)
# Links, templates and notes of wikis, their bold words and headings.
_WIKI = (
    rf"\[\[(?:(?<![a-zA-Z0-9_)\]]\[\[)(?<![a-zA-Z0-9_]\(\[\[)|(?=(?i:{_HIDDEN})[ ]?:)){_LINK}(?:\[\[{_LINK})*"
    rf"|{_TEMPLATE}"
    r"|<ref(?:\s[^<>\n]{0,200})?(?:/>|>[^<]{0,500}</ref>)|'''[^'\n]{1,120}'''(?=[ ,.;:()])"
    r"|\n={2,5}[ ]?[^=\n]{1,100}[ ]?={2,5}(?=[ \t]*\n)"
)
_LATEX = (
    r"\\(?:documentclass|usepackage|begin|end|(?:sub){0,2}section|chapter|emph|textbf|textit|cite[a-z]{0,3}|ref|label"
    r"|footnote|item|maketitle)\b\*?(?:\[[^\]\n]{0,80}\])?(?:\{[^{}\n]{0,80}\})?"
)
_GUTENBERG = r"[*]{3} ?%s OF TH(?:E|IS) PROJECT GUTENBERG[^\n]{0,200}"
_BOOK_STARTS, _BOOK_ENDS = rf"{_GUTENBERG % 'START'}\n?", _GUTENBERG % "END"
_BOOK_HEAD = r"(?:(?<=\n)|\A)\W{0,4}(?i:The )?Project Gutenberg(?:['’]s|(?i: e-?(?:book|text)) of)\b"
_LICENSE_ENDS = r"newsletter\s+to\s+hear\s+about\s+new\s+eBooks[.]\n?"
_SAYS_SO = r"(?i:gutenberg|licen[sc]e|\be-?(?:book|text)s?\b)"  # what is around a book and doesn't is somebody's text
_BEFORE_START = rf"(?:(?!{_BOOK_HEAD}|{_GUTENBERG % '(?:START|END)'}).)"
# Before a book: from its head or the text's beginning. After it: up to the license's end, the next book or the end.
_AROUND_BOOKS = (
    rf"(?s:{_BOOK_HEAD}(?:(?!{_BOOK_ENDS}).){{0,20000}}?{_BOOK_STARTS}"
    rf"|\A(?={_BEFORE_START}{{0,20000}}?{_SAYS_SO}){_BEFORE_START}{{0,20000}}?{_BOOK_STARTS}"
    rf"|{_BOOK_ENDS}(?:\s*\Z"
    rf"|(?={_BEFORE_START}{{0,1500}}?{_SAYS_SO}).{{0,30000}}?(?:{_LICENSE_ENDS}|{_BOOK_STARTS}|\Z))?|{_BOOK_STARTS})"
)
_ABOVE = "blocks of front matter"
# In Thai, Lao, Burmese and Khmer a zero-width space says where a word ends: between two letters the first one stays.
_WITHOUT_SPACES = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
_WITHOUT_SPACES_UTF8 = r"(?:\xe0[\xb8-\xbb][\x80-\xbf]|\xe1[\x80\x81\x9e\x9f][\x80-\xbf]|\xe1\x82[\x80-\x9f])"
_ZERO_WIDTH = "(?:\u200b(?!(?<=%s\u200b)(?:\u200b)*%s)|\u2060)"
_TERMINAL = r"\x1b\[[0-9;?]{0,20}[a-zA-Z]"  # colors and the like: what follows the control character goes with it
_KINDS = {  # cleaned from the last to the first: what others leave at the ends of lines goes too
    stray_spaces.AT_LINE_ENDS: stray_spaces.LINE_ENDS,
    stray_spaces.NO_BREAK: stray_spaces.BETWEEN_WORDS,
    "control characters": rf"{_TERMINAL}|[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]",
    "byte order marks": "\ufeff",
    "soft hyphens": "\u00ad",
    "zero-width spaces": _ZERO_WIDTH % (_WITHOUT_SPACES, _WITHOUT_SPACES),
    "private-use characters": "[\ue000-\uf8ff]",
    _WRONG: wrong_letters.PATTERN,
    "replacement characters": "\ufffd",
    "HTML entities": _ENTITY,
    "HTML tags": rf"(?i:{_TAG})",
    "wiki marks": _WIKI,
    "LaTeX commands": _LATEX,
    "Project Gutenberg notices": _AROUND_BOOKS,
    "placeholders": r"(?:\{\{(?:user|char)\}\}|<(?:USER|BOT)>)",
    _ABOVE: rf"\A{FRONT_MATTER}",
}
_WIKI_MARK = re.compile(_WIKI)
_HINT = re.compile(  # of any kind that rows are searched for: one class of characters is found fast
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\u00ad\u200b\u2060\ufffd\ue000-\uf8ff]|&[#a-zA-Z]"
    rf"|[\u00c2\u00c3\u00e2]{wrong_letters.MORE}|\{{\{{(?:user|char)|<(?:USER|BOT)>"
)
_NOT_IN_ROWS = frozenset(  # on purpose there
    {"HTML tags", "wiki marks", "LaTeX commands", "Project Gutenberg notices", _ABOVE}
    | {stray_spaces.AT_LINE_ENDS, stray_spaces.NO_BREAK}
)
_FEWEST = {
    "wiki marks": 3,
    "LaTeX commands": 3,
    stray_spaces.AT_LINE_ENDS: 3,
    stray_spaces.NO_BREAK: 3,
}  # fewer may be meant
_SHOWN_CHARS = 60
_IN_ROWS = {kind: re.compile(pattern) for kind, pattern in _KINDS.items() if kind not in _NOT_IN_ROWS}
_IN_UTF8 = {
    **{kind: re.compile(pattern.encode()) for kind, pattern in _KINDS.items()},
    _WRONG: re.compile(wrong_letters.PATTERN_UTF8),
    "zero-width spaces": re.compile((_ZERO_WIDTH % (_WITHOUT_SPACES_UTF8, _WITHOUT_SPACES_UTF8)).encode()),
    "private-use characters": re.compile(b"\xee[\x80-\xbf]{2}|\xef[\x80-\xa3][\x80-\xbf]"),
    "Project Gutenberg notices": re.compile((_GUTENBERG % "(?:START|END)").encode()),
    "control characters": re.compile(_TERMINAL.encode() + b"|[\x00-\x08\x0b\x0e-\x1f\x7f]|\xc2[\x80-\x84\x86-\x9f]"),
}
# What was there instead of these is lost, or has to stay.
CLEANED = frozenset(_KINDS) - {"replacement characters", "placeholders", "LaTeX commands"}


@dataclass(frozen=True)
class Stray:
    """So many of one kind, the commonest of them as it is written (control characters as escapes)."""

    kind: str
    count: int
    example: str


def strays(corpus: Corpus) -> list[Stray]:
    """What the documents hold by accident."""
    found = []
    for kind, pattern in _IN_UTF8.items():
        texts = _meant_to_go(kind, front_matter(corpus) if kind == _ABOVE else pattern.finditer(corpus.buffer))
        if texts.total() >= _FEWEST.get(kind, 1):
            found.append(Stray(kind, texts.total(), _shown(texts.most_common(1)[0][0])))
    return found


def _meant_to_go(kind: str, places: Iterable[re.Match[bytes]]) -> Counter[str]:
    """What these places hold, without those that are none after all."""
    if kind == _WRONG:
        sure, doubtful = wrong_letters.tallied(places)
        return sure + doubtful if sure.total() > doubtful.total() else sure
    if kind == stray_spaces.NO_BREAK and not stray_spaces.by_accident(places := list(places)):
        return Counter()
    texts = Counter(place[0].decode() for place in places)
    return Counter({text: count for text, count in texts.items() if _is_stray(kind, text)})


class RowStrays:
    """Counts the rows that hold strays of each kind, and keeps the first of each as an example."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def look(self, texts: Iterable[str]) -> None:
        """Count these rows too."""
        for text in texts:
            for kind, example in _strays_in(text):
                self._counts[kind] += 1
                self._examples.setdefault(kind, example)

    def notes(self) -> list[str]:
        """A sentence on what was found, if there is something."""
        if not self._counts:
            return []
        found = [f"{kind} in {counted(count, 'row')} ({self._examples[kind]})" for kind, count in self._counts.items()]
        return [f"Will be learned too: {', '.join(found)}."]


def _strays_in(text: str) -> list[tuple[str, str]]:
    """The kinds of strays in the text of a row, each with the first of them as it is shown."""
    if not _HINT.search(text):
        return []
    found = []
    for kind, pattern in _IN_ROWS.items():
        places = (one for one in pattern.finditer(text) if kind != _WRONG or wrong_letters.is_sure(one))
        match = next((one[0] for one in places if _is_stray(kind, one[0])), None)
        if match is not None:
            found.append((kind, _shown(match)))
    return found


def _is_stray(kind: str, text: str) -> bool:
    return kind not in _TRANSLATED or _TRANSLATED[kind](text) != text


def _shown(stray: str) -> str:
    if stray.strip(" \u00a0") == "" and stray != "\u00a0":
        return stray.replace("\u00a0", " ").replace(" ", "\u2423")[:_SHOWN_CHARS]
    shown = " ".join(stray.split())[:_SHOWN_CHARS]
    return shown if shown and shown.isprintable() else f"U+{ord(stray[0]):04X}"


def clean(text: str, kinds: frozenset[str] = CLEANED) -> tuple[str, int]:
    """`text` without strays of these kinds, and how many there were; see `cleaned`."""
    left, counts = cleaned(text, kinds)
    return left, counts.total()


def cleaned(text: str, kinds: frozenset[str] = CLEANED) -> tuple[str, Counter[str]]:
    """`text` without strays of these kinds, and how many of each kind there were.

    Links of a wiki and templates with prose become their words; of Project Gutenberg's notices goes what stands before
    and after a book too.
    Entities and wrongly decoded letters become the characters they stand for, `<br>` and the ends of paragraphs line
    ends; the rest goes.
    """
    counts: Counter[str] = Counter()
    for kind in (name for name in reversed(_KINDS) if name in kinds & CLEANED):  # tags first: entities may spell some
        pattern = re.compile(_KINDS[kind])
        places = list(pattern.finditer(text))
        if len(places) < _FEWEST.get(kind, 1) or (
            kind == stray_spaces.NO_BREAK and not stray_spaces.by_accident(places)
        ):
            continue
        put: Callable[[re.Match[str]], str] = partial(_cleaned, kind)
        if kind == _WRONG:
            sure, doubtful = wrong_letters.tallied(places)
            put = _mended if sure.total() <= doubtful.total() else put
        counts[kind] += sum(put(place) != place[0] for place in places)
        text = pattern.sub(put, text)
    return text, +counts


def _cleaned(kind: str, found: re.Match[str]) -> str:
    if kind in _TRANSLATED:
        return _TRANSLATED[kind](found[0])
    tag = found[0].lower()
    return "\n" if kind == "HTML tags" and tag.startswith(("<br", "<hr", "</p", "</div", "</h", "</li")) else ""


def _mended(found: re.Match[str]) -> str:
    """A wrongly decoded letter where it surely is one."""
    return wrong_letters.decoded(found[0]) if wrong_letters.is_sure(found) else found[0]


def _of_symbol_font(character: str) -> str:
    """What Word's and PDF's bullets are in a font of symbols; others of its signs mean nothing elsewhere."""
    return "\u2022" if character in "\uf0a7\uf0b7\uf0d8\uf0fc" else ""


def _meant(entity: str) -> str:
    """The character that an entity stands for; an address in C that begins like one (&current;) is none."""
    if entity[1] != "#" and entity[1:] not in html5:
        return entity
    return html.unescape(entity).replace("\u00a0", " ")


def _unmarked(wiki: str) -> str:
    """The words that a wiki's mark shows."""
    if wiki.startswith("{{"):
        template = wiki.rstrip("\n")
        words = _WIKI_MARK.sub(lambda mark: _unmarked(mark[0]), words_shown(template))
        return words + wiki[len(template) :] if words else ""
    if wiki.startswith("[["):
        return "".join(map(_label, wiki[2:-2].split("]][[")))
    if wiki.startswith("\n"):
        return "\n" + wiki.strip("\n= ")
    return wiki.strip("'") if wiki.startswith("'") else ""


def _label(link: str) -> str:
    """The words that a wiki's link shows: none for a picture or a category."""
    target, _, label = link.rpartition("|")
    return "" if _HIDES.match(link) else (label or target).removeprefix(":")


_TRANSLATED: dict[str, Callable[[str], str]] = {
    "private-use characters": _of_symbol_font,
    "HTML entities": _meant,
    _WRONG: wrong_letters.decoded,
    "wiki marks": _unmarked,
    stray_spaces.NO_BREAK: lambda _: " ",
}
