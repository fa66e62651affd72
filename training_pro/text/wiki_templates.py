"""The words that a template of a wiki shows: of {{Quote|words|author}}, {{lang|fr|mot}} or {{nowrap|5 km}} they are a
part of the text, of {{Infobox|...}} and {{cite web|...}} they are not.

Costs a look at each template. Beside the way of a block: cleaning is a tool.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUOTES = re.compile(  # names in small letters
    r"(?:block ?|long ?|pull ?|poem ?|[cr])?quot(?:e|ation)s?|quote box|poem|dialogue|epigraph|bq|cytat|citaat|citat"
    r"|zitat|citation(?: bloc)?|cita(?:zione|ção)?|sitat|sitaatti|lainaus|citace|idézet|alıntı"
)
_SHOWN = re.compile(  # as their first words
    r"lang-.+|no ?wrap|nobr|nobreak|small|smaller|big|bigger|x*-?larger|x*-?smaller|fine|(?:fine|smaller|larger) block"
    r"|center|centre|c|right|left|block (?:center|right|left)|sc|small-?caps(?: all)?|asc|uc|lc|u|ul|underline|bold|em"
    r"|strong|italics?|noitalic|drop ?initial|di|dropcap|letter-spacing|sp|hanging indent|sic|abbr|tooltip|ill"
    r"|interlanguage link|nihongo|math|mvar|var|val|sup|sub|flag|greek|polytonic|hebrew|ipa|plainlist"
)
_AFTER_CODE = re.compile(r"lang|langue|transl|transliteration|script|foreignlanguage")
_WITH_NAME = re.compile(r"circa|c[.]|ca[.]?|as of")
_WITH_UNIT = re.compile(r"convert|cvt|unit|unité")
_NO_PROSE = re.compile(  # though many words may stand in it
    r"(?:infobox|cite|citation needed|ref|refn|reflist|efn|sfn|note|notelist|fn|hatnote|about|for|redirect|distinguish"
    r"|main|see|further|short description|navbox|sidebar|image|gallery|annotated|anm|cleanup|clarify|link|defaultsort"
    r"|lead too short|multiple issues|hauptartikel|siehe auch|literatur|articles? détaillés?|artículo principal|véase"
    r")\b.*"
)
_WORDS_OF_PROSE = 6
_NAMED = re.compile(r"\s*(?P<name>[^\W_][\w ()/.,'-]{0,40}?)\s*=\s*")
_SAID = ("text", "quote", "quotetext", "zitat", "texte", "testo", "texto", "tekst", "citat", "1")
_BY = ("author", "sign", "autor", "auteur", "autore", "2", "source", "cite", "quelle", "fonte", "fuente", "3", "4", "5")
_SIZE = re.compile(r"\d+ ?px")  # of the marks around a quote
_SIDES = ("left", "right", "center", "centre")
_BORDERS = re.compile(r"(\[\[|\]\]|\{\{|\}\}|\|)")


def words_shown(template: str) -> str:
    """The words of a whole template that belong to the text around it; "" for none. Marks in them stay."""
    written, *arguments = _parts(template.strip()[2:-2])
    name = " ".join(written.replace("_", " ").split()).lower()
    if arguments[1:] and arguments[0].strip().lower() in _SIDES:
        del arguments[0]
    named, plain = _by_name(arguments)
    if _QUOTES.fullmatch(name):
        return _quoted(named)
    if _AFTER_CODE.fullmatch(name):
        return plain[-1] if len(plain) > 1 else named.get("texte", "")
    if _WITH_UNIT.fullmatch(name):
        return " ".join(plain[: 4 if plain[2:3] and plain[2][0].isdigit() and plain[3:] else 2])  # 2 to 5 km, 6 ft 2 in
    if _SHOWN.fullmatch(name):
        return next(iter(plain or arguments), "").strip()  # "x = 5" has no name
    if _WITH_NAME.fullmatch(name):
        return f"{written.strip()} {' '.join(plain[:1])}".strip()
    prose = [] if _NO_PROSE.fullmatch(name) else plain
    return "\n".join(text for text in prose if len(re.findall(r"\w+", text)) >= _WORDS_OF_PROSE)


def _parts(inside: str) -> list[str]:
    """What stands between the bars of a template, but for those of links and templates in it."""
    parts, depth = [""], 0
    for piece in _BORDERS.split(inside):
        if piece == "|" and not depth:
            parts.append("")
            continue
        depth += (piece in ("[[", "{{")) - (piece in ("]]", "}}"))
        parts[-1] += piece
    return parts


def _by_name(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """All arguments by their names or places, and those that have a place, in their order."""
    named: dict[str, str] = {}
    places = 0
    for argument in arguments:
        found = _NAMED.match(argument)
        places += found is None
        named[found["name"].lower() if found else str(places)] = argument[found.end() if found else 0 :].strip()
    placed = sorted((int(name), text) for name, text in named.items() if name.isdecimal() and text)
    return named, [text for _, text in placed]


def _quoted(named: dict[str, str]) -> str:
    """The words, and below them who said them where; "" where no words are said."""
    said = [text for name in _SAID if (text := named.get(name))]
    by = ", ".join(text for name in _BY if (text := named.get(name)) and not _SIZE.fullmatch(text))
    return "\n".join([*said, *([f"\u2014 {by}"] if by else [])]) if said else ""
