"""What a text holds that Verify should show: control tokens, places that look like cuts, characters by accident.

Costs some ten milliseconds a megabyte. Beside the way of a block.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.look_alikes import CutLookAlike, cut_look_alikes
from training_pro.text.sections import cut_pattern, unescape
from training_pro.text.stray_characters import Stray, strays
from training_pro.text.tokenizing.encoding import TextEncoder


@dataclass(frozen=True)
class Findings:
    """`control_tokens`: how often each special string stands in the text; `as_tokens`: whether it becomes that token.

    `hard_cuts`: how often the Hard Cut String occurs.
    `look_alikes`: what looks like a cut and is none; `strays`: characters by accident.
    """

    control_tokens: Mapping[str, int] = field(default_factory=dict)
    as_tokens: bool = False
    hard_cuts: int = 0
    look_alikes: tuple[CutLookAlike, ...] = ()
    strays: tuple[Stray, ...] = ()

    @property
    def control_token_count(self) -> int:
        return sum(self.control_tokens.values())


def found_in(corpus: Corpus, hard_cut: str, encoder: TextEncoder) -> Findings:
    """What the documents hold; `hard_cut` as typed."""
    return Findings(
        control_tokens=count_control_tokens(corpus, encoder.control_texts),
        as_tokens=encoder.control_tokens,
        hard_cuts=_count(corpus, cut_pattern([unescape(hard_cut)])),
        look_alikes=tuple(cut_look_alikes(corpus, [unescape(hard_cut), *encoder.cut_strings])),
        strays=tuple(strays(corpus)),
    )


def _count(corpus: Corpus, pattern: str) -> int:
    return sum(1 for _ in re.finditer(pattern.encode("utf-8", "surrogatepass"), corpus.buffer)) if pattern else 0


def count_control_tokens(corpus: Corpus, control_texts: tuple[str, ...]) -> dict[str, int]:
    """How often each of the special strings, given the longest first, stands in the documents; the commonest first."""
    if not control_texts:
        return {}
    either = re.compile("|".join(map(re.escape, control_texts)).encode())
    found = Counter(match[0].decode() for match in either.finditer(corpus.buffer))
    return dict(found.most_common())
