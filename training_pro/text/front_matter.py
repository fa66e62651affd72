"""What notes and websites write above a text of Markdown: lines of YAML or TOML between two of dashes or pluses, or
of JSON between braces.

Costs a look at each document's beginning. Beside the way of a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from training_pro.text.blocks.corpus import Corpus

# The first line names something in small letters or by a usual word: a talk between dashes has the names of people.
_USUAL_KEYS = "title|tags?|date|authors?|aliases|created|updated|modified|layout|id|lang|language|type|status"
_YAML_KEY = (  # and does so once: in a talk the first to speak speaks again
    rf"(?P<key>[a-z_][^\s:]{{0,60}}|(?i:{_USUAL_KEYS}))[ ]?:(?:[ \t][^\n]{{0,2000}})?\n"
    r"(?!(?:(?!---|[.]{3})[^\n]*\n){0,300}?(?P=key)[ ]?:)"
)
# No two of a line's ways begin alike: where no end follows, all their mixtures would be tried.
_YAML_LINE = (
    r"(?:[^\s:\-#\]}][^\n:]{0,60}:(?:[ \t][^\n]{0,2000})?|[ \t][^\n]{0,2000}|[-#\]}][^\n-][^\n]{0,2000}|[\]}])?\n"
)
_TOML_LINE = r"(?:[^\s=\[#\]}][^\n=]{0,60}=[^\n]{0,2000}|[ \t][^\n]{0,2000}|[\[#\]}][^\n]{0,2000})?\n"
_JSON_LINE = r"(?:[ \t][^\n]{0,2000}|\"[^\n]{0,2000}|[\]}],[^\n]{0,2000})\n"
_JSON = (  # a text follows, and no further object, as in a file of rows
    rf"\{{[ \t]*\n(?=[ \t]*\"[^\"\n]{{1,60}}\"[ \t]*:)(?:{_JSON_LINE}){{1,300}}?\}}"
    r"(?:[ \t]*\n){2,9}(?=[ \t]*(?:[^\s{]|\{\{))"
)
FRONT_MATTER = (  # where a document begins
    rf"\s{{0,9}}(?:{_JSON}|(?:---[ \t]*\n(?:#[^\n]*\n)?{_YAML_KEY}(?:{_YAML_LINE}){{0,300}}?(?:---|[.]{{3}})"
    rf"|[+]{{3}}[ \t]*\n(?:{_TOML_LINE}){{1,300}}?[+]{{3}})[ \t]*(?:\n+|\Z))"
)
_PATTERN = re.compile(FRONT_MATTER.encode())


def without_front_matter(text: str) -> str:
    """The text that stands below a document's front matter."""
    return re.sub(rf"\A{FRONT_MATTER}", "", text)


def front_matter(corpus: Corpus) -> Iterator[re.Match[bytes]]:
    """The front matter of each document that has some."""
    for start, end in pairwise(corpus.starts.tolist()):
        found = _PATTERN.match(corpus.buffer, start, end)
        if found is not None:
            yield found
