"""Places that look like hard cuts and are none: scene breaks, ornaments, form feeds, headings and chapters' numbers.

People mark where one idea ends in many ways; a text whose marks are not the Hard Cut String is one long section. Costs
one fast search a kind over the text. Beside the way of a block: Verify shows what is found and offers it.
"""

from __future__ import annotations

import mmap
import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from operator import itemgetter

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.front_matter import front_matter
from training_pro.text.sections import Span, cut_pattern

_LINE_END = r"(?=[ \t]*(?:\n|\Z))"
_GLYPHS = "⁂|❦|❧|◆|◇|◊|❖|☙|✦|✶|❋|■|§"
_STAR = f"(?:[*]|•|·|⁑|⁕|※|★|☆|♦|♥|○|●|{_GLYPHS})"  # alternatives, since the patterns are for UTF-8
_RULES = ("#", "-", "_", "=", "~", "[+]", "–", "—", "─")
_WORDS = (
    "chapter|part|book|volume|act|scene|canto|letter|section|prologue|epilogue|interlude|preface|afterword|adventure|"
    "kapitel|teil|chapitre|partie|cap(?:i|í|Í)tulo|parte|capitolo|hoofdstuk|rozdział|ROZDZIAŁ|kapitola|luku|bölüm|"
    "Глава|глава|ГЛАВА|Часть|часть|ЧАСТЬ|Розділ|розділ|РОЗДІЛ"
)
_NUMBER_WORDS = (
    "(?:the[ ])?(?:first|second|third|last|[a-z]{3,12}th)|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    "|twelve|[a-z]{3,6}teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:[ -][a-z]{3,5})?"
    "|eins|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf"
    "|premi(?:er|ère)|deux(?:ième)?|trois(?:ième)?|quatre|cinq|sept|huit|neuf|dix|un[oa]?|dos|tres|cuatro|cinco|seis"
    "|siete|ocho|nueve|diez|prim(?:er)?[oa]|segund[oa]|second[oa]|ter(?:cer|z)[oa]|due|tre|quattro|cinque|sei|sette"
    "|otto|nove|dieci"
)
_NUMBERED = (  # "Part of me" begins a verse; a heading has a number, or is in capitals
    rf"[ \t]+(?:\d{{1,4}}|[ivxlcIVXLC]{{1,8}}|(?i:{_NUMBER_WORDS}))\b[^\n]{{0,60}}"
    r"|[ \t]+[A-Z][A-Z ,.:'-]{2,60}|[ \t]*[.:]?"
)
_ORDINALS = {  # what stands before the word, and the words
    r"(?:\d{1,3}\.|[^\s]{2,30}t(?:es|er|e))": "kapitel|teil|buch|abschnitt|akt|band",
    r"(?:(?:prem|dern)i(?:er|ère|Ère)|seconde?|[^\s]{3,20}i(?:è|È)me|\d{1,3}(?:er|e))": "chapitre|partie|livre|acte",
    r"(?:prim(?:er|era|o|a)|segund[oa]|tercer[oa]?|cuart[oa]|quint[oa])": "capítulo|parte|libro|acto",
    r"(?:prim[oa]|second[oa]|terz[oa]|quart[oa]|quint[oa])": "capitolo|parte|libro|atto",
    r"(?:the[ ])?(?:first|second|third|[a-z]{3,12}th|\d{1,3}(?:st|nd|rd|th))": "chapter|part|book|act|scene|letter",
    r"(?:eerste|[^\s]{2,20}de)": "hoofdstuk|deel",
    r"[^\s]{4,30}(?:ая|АЯ|ья|ЬЯ)": "глава|Глава|ГЛАВА|часть|Часть|ЧАСТЬ",
}
_ORDINAL_FIRST = "|".join(f"{ordinal}[ ](?:{words})" for ordinal, words in _ORDINALS.items())
# Scripts without capitals: Hindi, Arabic, Persian, Hebrew, Thai, and Korean, which counts first.
_UNCASED = (
    r"(?:अध्याय|الفصل|الباب|فصل|باب|פרק|บทที่)[ \t]+[^\s]{1,50}(?:[ \t]+[^\s]{1,50})?(?:[ \t]*[:–—-][^\n]{0,120})?"
    r"|(?:제[ ]?)?\d{1,3}[ ]?(?:장|화|부)(?:[ .:][^\n]{0,120})?"
)
_ORNAMENTS = (  # "o O o", "~ o ~", "-*-", "x x x"
    r"[oO](?:[ ]?[oO0]){2,4}|[xX](?:[ ][xX]){2,4}|[.](?:[ ][.]){2,4}"
    r"|[-~=_+]{1,5}[ ]?(?:(?:[*oOxX0@]|{star})[ ]?[-~=_+]{1,5}[ ]?){1,6}".replace("{star}", _STAR)
)
_WIDE = "|".join(map(chr, (0x1680, *range(0x2000, 0x200C), 0x202F, 0x205F, 0x3000, 0xFEFF)))  # no cut has these
_ANY = f"(?:[ \t]|\u00a0|{_WIDE})*"
_BREAK_WORDS = "(?:page|section|scene|chapter|time|line)[ _-]?(?:break|skip)|new[ _-]?page|break"
_NUMBER = r"(?:\d{1,3}|[IVXLC]{1,8}|[ivxlc]{1,8})"
_KINDS = {  # each starts at a line end, which is fast to find
    "stars": rf"\n[ \t]*(?:{_STAR}(?:[ \t]*{_STAR}){{2,}}|{_GLYPHS}|[*]|·){_LINE_END}",
    "ornaments": rf"\n[ \t]*(?:{_ORNAMENTS}){_LINE_END}",
    "break marks": rf"\n[ \t]*(?:[\[(<{{](?i:{_BREAK_WORDS})[\])>}}]|(?i:<hr[ ]?/?>)"
    rf"|\\(?:newpage|pagebreak|clearpage)){_LINE_END}",
    "rules": rf"\n[ \t]*(?:{'|'.join(f'{mark}(?:[ ]?{mark}){{2,}}' for mark in _RULES)}|--|––|——|[#~]|—){_LINE_END}",
    "end marks": r"<\|endoftext\|>|<\|end_of_text\|>|</s>|<eos>",
    "form feeds": r"\f",
    # What people read beside the Hard Cut String, and typed; beside a quotation mark it is code, or talks about it.
    "typed line ends": r"(?<!\\n)(?<![\"'`\\])(?:\\n){3,}(?![\"'`\\])",
    "wide blank lines": rf"\n{_ANY}(?:{_WIDE}){_ANY}\n{_ANY}\n|\n\n{_ANY}(?:{_WIDE}){_ANY}\n",
    "headings": rf"\n[ \t]*\n[ \t]*(?:[#]{{1,3}}[ \t]+[^\s][^\n]{{0,70}}(?<!:)|(?i:{_WORDS})(?:{_NUMBERED})"
    rf"|(?i:{_ORDINAL_FIRST})(?:[ ]*[.:-][^\n]{{0,60}})?|第[^\n]{{1,24}}(?:章|回|节|節|話|话)[^\n]{{0,60}}"
    rf"|{_UNCASED}){_LINE_END}",
    "numbers": rf"\n[ \t]*\n[ \t]*(?:{_NUMBER}[.]?|\[{_NUMBER}\]){_LINE_END}(?=[ \t]*\n[ \t]*(?:\n|\Z))",
}
_KEPT = ("headings", "numbers")  # they belong to the text: the cut comes before them
LOOK_ALIKES = frozenset(_KINDS)
_PATTERNS = {kind: re.compile(pattern.encode()) for kind, pattern in _KINDS.items()}
_FEWEST = {"headings": 2, "numbers": 3}  # a single heading is the book's own
_MOST_BROKEN = 0.2  # of numbers, in mid-sentence: more are the numbers of pages
_STOPS = ".!?…:*\"'”’“»)]。！？」"
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_SHOWN_CHARS = 40
_UNDERLINE = re.compile(r"\n[ \t]*([-=~])\1+")
_TITLE_CHARS = 70
_GAP_BYTES = 64  # the search for a cut goes no farther


@dataclass(frozen=True)
class CutLookAlike:
    """So many places of one `kind` (a name of `_KINDS`) where no cut is, the commonest of them as it is written.

    `cut_string` is the Hard Cut String, as typed, that cuts at all of them; "" where they are written in several ways
    or, like headings, belong to the text: `with_hard_cuts` cuts there.
    """

    kind: str
    count: int
    example: str
    cut_string: str


def cut_look_alikes(corpus: Corpus, cut_strings: list[str]) -> list[CutLookAlike]:
    """What looks like a cut in the documents beside the cut strings themselves, and the lines of front matter."""
    cuts = cut_pattern(cut_strings)
    is_cut = re.compile(cuts.encode("utf-8", "surrogatepass")) if cuts else None
    heads = [head.span() for head in front_matter(corpus)]
    found = []
    for kind in _KINDS:
        places = [place for place in _places(kind, corpus.buffer) if not _is_in(heads, place)]
        if kind == "numbers" and not _count_chapters(corpus, places):
            continue
        uncut = [place for place in places if not _is_cut(corpus, place, kind, is_cut)]
        texts = Counter(corpus.text(*place).strip(" \t\n") for place in uncut)
        count = texts.total()
        if count >= _FEWEST.get(kind, 1) - (kind == "headings" and _begins_with_heading(corpus)):
            example = texts.most_common(1)[0][0][:_SHOWN_CHARS]
            found.append(CutLookAlike(kind, count, example, _cut_string(kind, corpus, uncut)))
    return found


def _is_in(heads: list[Span], place: Span) -> bool:
    """Whether a place ends in the front matter of a document."""
    before = bisect_right(heads, place[1] - 1, key=itemgetter(0))
    return before > 0 and place[1] <= heads[before - 1][1]


def _begins_with_heading(corpus: Corpus) -> bool:
    """Whether the first heading, before which nothing is to be cut, begins the text."""
    return _PATTERNS["headings"].match(b"\n\n" + corpus.buffer[: 4 * _TITLE_CHARS].lstrip()) is not None


def _places(kind: str, buffer: bytes | mmap.mmap) -> list[Span]:
    found = _PATTERNS[kind].finditer(buffer)
    return [match.span() for match in found if kind != "rules" or not _is_underline(match)]


def _is_underline(rule: re.Match[str] | re.Match[bytes]) -> bool:
    """Whether a line of dashes or the like stands right below a title, which is no sentence and has a line of its own
    after a blank one."""
    text, start = rule.string, rule.start()
    before = text[max(0, start - 4 * _TITLE_CHARS) : start]
    words, mark = (one if isinstance(one, str) else one.decode("utf-8", "ignore") for one in (before, rule[0]))
    *above, title = words.rsplit("\n", 2)
    alone = not above[-1].strip() if above else len(before) == start
    is_title = 0 < len(title.strip()) <= _TITLE_CHARS and title.rstrip()[-1] not in _STOPS
    return alone and is_title and _UNDERLINE.fullmatch(mark) is not None


def _count_chapters(corpus: Corpus, places: list[Span]) -> bool:
    """Whether lone numbers count up from the first one, and stand between sentences; those of pages break into some."""
    values = [_value(corpus.text(*place)) for place in places]
    steps = sum(after == before + 1 for before, after in pairwise(values))
    broken = sum(corpus.text(*_before_it(corpus, start)).rstrip()[-1:] not in _STOPS for start, _ in places)
    rising = 2 * steps >= len(values) - 1 and min(values, default=0) in (1, 2)  # the first may begin the text
    return len(places) >= _FEWEST["numbers"] and rising and broken <= _MOST_BROKEN * len(places)


def _before_it(corpus: Corpus, start: int) -> Span:
    return corpus.border(max(0, start - _GAP_BYTES), start), start


def _value(written: str) -> int:
    """The number that a lone number is, in figures or Roman."""
    text = "".join(filter(str.isalnum, written)).lower()
    if text.isdecimal():
        return int(text)
    digits = [_ROMAN.get(letter, 0) for letter in text]
    return sum(-one if one < after else one for one, after in pairwise([*digits, 0]))


def with_hard_cuts(text: str, kinds: frozenset[str], cut: str = "\n\n\n") -> tuple[str, int]:
    """`text` with `cut` at every look-alike of these kinds, and how many there were.

    Scene breaks and form feeds give way to it; headings stay, after it.
    """
    corpus = Corpus.of_texts([text])
    count = 0
    for kind in sorted(_KINDS.keys() & kinds):
        if kind == "numbers" and not _count_chapters(corpus, _places(kind, corpus.buffer)):
            continue
        put = partial(_before, cut) if kind in _KEPT else partial(_instead, cut, kind)
        count += sum(put(mark) != mark[0] for mark in re.finditer(_KINDS[kind], text))
        text = re.sub(_KINDS[kind], put, text)
    return text, count


def _before(cut: str, heading: re.Match[str]) -> str:
    return cut + heading[0].lstrip("\n")


def _instead(cut: str, kind: str, mark: re.Match[str]) -> str:
    return mark[0] if kind == "rules" and _is_underline(mark) else cut


def _is_cut(corpus: Corpus, place: Span, kind: str, cuts: re.Pattern[bytes] | None) -> bool:
    """Whether the place is a cut as it is: a heading by what stands before it, all others by themselves."""
    if cuts is None:
        return False
    start, end = place
    if kind in _KEPT:
        before = corpus.buffer[max(0, start - _GAP_BYTES) : end]
        gap = before[: len(before) - len(corpus.buffer[start:end].lstrip())]
        return any(not gap[found.end() :].strip() for found in cuts.finditer(gap))
    cut = cuts.search(corpus.buffer, start, end + _GAP_BYTES)
    return cut is not None and cut.start() < end


def _cut_string(kind: str, corpus: Corpus, uncut: list[Span]) -> str:
    """The Hard Cut String that cuts at these places and nowhere else, as typed; "" where there is none."""
    if kind == "form feeds":
        return "\\f"
    if kind == "typed line ends":
        return r"\\n\\n\\n"
    marks = {corpus.text(*place).strip(" \t\n") for place in uncut}
    if kind in (*_KEPT, "wide blank lines") or len(marks) > 1:
        return ""
    mark = marks.pop()
    typed = mark.replace("\\", "\\\\")
    if kind == "stars" and len(mark) > 1 and _stands_alone(corpus, mark):
        return typed
    line = re.compile(f"\n{re.escape(mark)}\n".encode())
    followed = [place for place in uncut if corpus.buffer[place[1] : place[1] + _GAP_BYTES].strip()]
    return f"\\n{typed}\\n" if all(_is_cut(corpus, place, kind, line) for place in followed) else ""


def _stands_alone(corpus: Corpus, mark: str) -> bool:
    """Whether the mark is on lines of its own alone, never inside running text."""
    pattern = re.escape(mark).encode()
    alone = re.compile(rb"^[ \t]*%b[ \t]*$" % pattern, re.MULTILINE)
    return len(alone.findall(corpus.buffer)) == len(re.findall(pattern, corpus.buffer))
