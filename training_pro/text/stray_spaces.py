"""Spaces that a page or an editor has left in a text: at the ends of lines, and no-break spaces between words.

Where a typographic rule wants a no-break space it stays: before ; : ! ? and in « » (French), between a number and its
unit, after a title, before a Roman numeral, after a word of one letter (Czech, Polish), and in other scripts than ours.
Indentation, blank lines and tabs stay too, and the two spaces with which Markdown breaks a line; of more than two, two.
Costs one search a kind over the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

AT_LINE_ENDS, NO_BREAK = "line ends with spaces", "no-break spaces"
# Both patterns mean the same as bytes of UTF-8: look-behinds end with whole characters.
_FIRST = [f"{space}(?<=[^ \t\n]{space})(?<!\u00a0{space})" for space in (" ", "\u00a0")]  # a literal first: found fast
_NEXT_LINE = "\n[ \t]*[^ \t\n]"
_TOO_MANY = f" (?<=[^ \t\n]   )(?<!\u00a0   ) *(?={_NEXT_LINE})"  # from the third space on
LINE_ENDS = f"(?:{_FIRST[0]}(?! +{_NEXT_LINE})|{_FIRST[1]})(?: |\u00a0)*(?=\n|\\Z)|{_TOO_MANY}"
_TITLE = "(?:(?<=\\b[MDS][rst]\u00a0)|(?<=\\bMrs\u00a0))"
_ROMAN = r"[IVXLCDM]+\b"
BETWEEN_WORDS = (
    f"\u00a0(?<=[A-Za-z]\u00a0)(?=[A-Za-z])(?!{_ROMAN})(?!{_TITLE})(?:(?<=[A-Za-z][A-Za-z]\u00a0)(?P<sure>))?"
)


def by_accident(places: Sequence[re.Match[Any]]) -> bool:
    """Whether these no-break spaces were left there: after words of one letter alone they are meant."""
    return 2 * sum(place["sure"] is not None for place in places) > len(places)
