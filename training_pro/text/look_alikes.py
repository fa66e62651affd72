"""Places that look like hard cuts and are none: scene breaks, form feeds and chapter headings.

People mark where one idea ends in many ways; a text whose marks are not the Hard Cut String is one long section. Costs
one fast search a kind over the text. Beside the way of a block: Verify shows what is found and offers it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import partial

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.sections import Span, cut_pattern

_LINE_END = r"(?=[ \t]*(?:\n|\Z))"
_STAR = "(?:[*]|•|·|⁂|⁑|⁕|※|❦|❧)"  # alternatives, since the patterns are for UTF-8
_RULES = ("-", "_", "=", "~", "[+]", "–", "—", "─")
_WORDS = (
    "chapter|part|book|volume|act|scene|canto|letter|section|prologue|epilogue|interlude|preface|afterword|adventure|"
    "kapitel|teil|chapitre|partie|cap(?:i|í|Í)tulo|parte|capitolo|hoofdstuk|rozdział|kapitola|luku|bölüm|"
    "Глава|глава|ГЛАВА|Часть|часть|ЧАСТЬ|Розділ|розділ|РОЗДІЛ"
)
_NUMBERED = r"[ \t]+(?:\d{1,4}|[ivxlcIVXLC]{1,8}|[a-zA-Z]+)\b[^\n]{0,60}|[ \t]*[.:]?"
_KINDS = {  # each starts at a line end, which is fast to find
    "stars": rf"\n[ \t]*(?:{_STAR}(?:[ \t]*{_STAR}){{2,}}|⁂|❦|❧){_LINE_END}",
    "rules": rf"\n[ \t]*(?:{'|'.join(f'{mark}(?:[ ]?{mark}){{2,}}' for mark in _RULES)}|[#~]|—){_LINE_END}",
    "end marks": r"<\|endoftext\|>|<\|end_of_text\|>|</s>|<eos>",
    "form feeds": r"\f",
    "headings": rf"\n[ \t]*\n[ \t]*(?:[#]{{1,3}}[ \t]+[^\s][^\n]{{0,70}}|(?i:{_WORDS})(?:{_NUMBERED})"
    rf"|第[^\n]{{1,24}}(?:章|回|节|節|話|话)[^\n]{{0,60}}){_LINE_END}",
}
_PATTERNS = {kind: re.compile(pattern.encode()) for kind, pattern in _KINDS.items()}
_FEWEST_HEADINGS = 2  # a single one is the book's own
_SHOWN_CHARS = 40
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
    """What looks like a cut in the documents beside the cut strings themselves."""
    cuts = cut_pattern(cut_strings)
    is_cut = re.compile(cuts.encode("utf-8", "surrogatepass")) if cuts else None
    found = []
    for kind, pattern in _PATTERNS.items():
        places = [match.span() for match in pattern.finditer(corpus.buffer)]
        uncut = [place for place in places if not _is_cut(corpus, place, kind, is_cut)]
        texts = Counter(corpus.text(*place).strip(" \t\n") for place in uncut)
        count = texts.total()
        if count >= (_FEWEST_HEADINGS if kind == "headings" else 1):
            example = texts.most_common(1)[0][0][:_SHOWN_CHARS]
            found.append(CutLookAlike(kind, count, example, _cut_string(kind, texts)))
    return found


def with_hard_cuts(text: str, kinds: frozenset[str], cut: str = "\n\n\n") -> tuple[str, int]:
    """`text` with `cut` at every look-alike of these kinds, and how many there were.

    Scene breaks and form feeds give way to it; headings stay, after it.
    """
    count = 0
    for kind in sorted(_KINDS.keys() & kinds):
        put = partial(_before, cut) if kind == "headings" else partial(_instead, cut)
        text, changed = re.subn(_KINDS[kind], put, text)
        count += changed
    return text, count


def _before(cut: str, heading: re.Match[str]) -> str:
    return cut + heading[0].lstrip("\n")


def _instead(cut: str, mark: re.Match[str]) -> str:
    return cut


def _is_cut(corpus: Corpus, place: Span, kind: str, cuts: re.Pattern[bytes] | None) -> bool:
    """Whether the place is a cut as it is: a heading by what stands before it, all others by themselves."""
    if cuts is None:
        return False
    start, end = place
    if kind == "headings":
        before = corpus.buffer[max(0, start - _GAP_BYTES) : end]
        gap = before[: len(before) - len(corpus.buffer[start:end].lstrip())]
        return any(not gap[found.end() :].strip() for found in cuts.finditer(gap))
    cut = cuts.search(corpus.buffer, start, end + _GAP_BYTES)
    return cut is not None and cut.start() < end


def _cut_string(kind: str, texts: Counter[str]) -> str:
    if kind == "form feeds":
        return "\\f"
    if kind == "headings" or len(texts) > 1:
        return ""
    mark = next(iter(texts))
    return mark if kind == "stars" else f"\\n{mark}\\n"  # "#" and "---" may stand in the text as well
