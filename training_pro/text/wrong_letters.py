"""Letters whose UTF-8 another program has read as Windows-1252: "donâ€™t".

Some of what looks like that is none: words that end in an accented letter with their quotation marks, dashes or
no-break spaces, as „Spaß“, «LIBERTÉ» or "liberté »". Such doubtful places count only in a text where they are the
fewer. Costs one search, and a look at each place. Beside the way of a block.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# The first byte, and as many more as it asks for; of two bytes only those of alphabets that such files are in.
_CP1252 = bytes(range(0x80, 0xA0)).decode("cp1252", "ignore")
MORE = f"[\u0080-\u00bf{_CP1252}]"
PATTERN = f"[\u00c3-\u00db]{MORE}|\u00c2[\u0080-\u00bf]|[\u00e0-\u00ef]{MORE}{{2}}|\u00f0{MORE}{{3}}"
_MORE_UTF8 = b"(?:\xc2[\x80-\xbf]|%b)" % b"|".join(re.escape(one.encode()) for one in _CP1252)
PATTERN_UTF8 = b"\xc3(?:[\x83-\x9b]%b|\x82\xc2[\x80-\xbf]|[\xa0-\xaf]%b{2}|\xb0%b{3})" % ((_MORE_UTF8,) * 3)
_AFTER_WORDS = frozenset("\u00a0«»‘’“”‹›…–—™®©°¹²³·§")
_BETWEEN_WORDS = frozenset("\u00a0«‘’“”–—")
_WIDEST_BYTES = 4


def decoded(wrong: str) -> str:
    """The character whose UTF-8 these are, read as Windows-1252; unchanged where they are none."""
    try:
        data = b"".join(bytes([ord(one)]) if ord(one) < 0x100 else one.encode("cp1252") for one in wrong)
        return data.decode("utf-8")
    except UnicodeError:
        return wrong


def tallied(places: Iterable[re.Match[str] | re.Match[bytes]]) -> tuple[Counter[str], Counter[str]]:
    """What matches of `PATTERN` or `PATTERN_UTF8` hold that is surely wrong, and what is doubtful."""
    sure: Counter[str] = Counter()
    doubtful: Counter[str] = Counter()
    for place in places:
        before, wrong, after = _beside(place)
        if decoded(wrong) != wrong:
            (doubtful if _may_be_right(before, wrong, after) else sure)[wrong] += 1
    return sure, doubtful


def is_sure(place: re.Match[str]) -> bool:
    """Whether a match is no word that ends in such letters."""
    return bool(tallied([place])[0])


def _beside(place: re.Match[str] | re.Match[bytes]) -> tuple[str, str, str]:
    """The character before the match, what it holds, and the one after it; "" at the text's ends."""
    text, (start, end) = place.string, place.span()
    if isinstance(text, str):
        return text[max(0, start - 1) : start], text[start:end], text[end : end + 1]
    around = (text[max(0, start - _WIDEST_BYTES) : start], text[start:end], text[end : end + _WIDEST_BYTES])
    before, wrong, after = (one.decode("utf-8", "ignore") for one in around)
    return before[-1:], wrong, after[:1]


def _may_be_right(before: str, wrong: str, after: str) -> bool:
    """Whether the first character may end a word, and the others stand after it: no capital stands after a small
    letter, and no word is Â or Ã alone."""
    marks, is_capital = {*wrong[1:]}, wrong[0].isupper()
    misplaced = is_capital and (before.islower() or (wrong[0] in "ÂÃ" and not before.isupper()))
    if misplaced or not marks <= _AFTER_WORDS:
        return False
    return bool(marks & _BETWEEN_WORDS) or not after.isalpha()
