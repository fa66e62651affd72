"""One block as it is trained, token by token: what has a loss, what is special, where its neighbours begin. No gradio.

Some 60 bytes of HTML a token; at most `MOST_TOKENS` are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training_pro.data.preview import BlockPreview, TokenPreview
from training_pro.ui.views.markup import text

MOST_TOKENS = 4000
_KINDS = {
    "packed": "packed block",
    "overlap": "overlapping block",
    "window": "DEMENTOR window",
    "row": "row",
}


@dataclass(frozen=True)
class Border:
    """Where, in code points of the document, a neighbouring block begins or ends inside this one."""

    place: int
    what: str
    begins: bool = True


def preview_view(preview: BlockPreview, count: int, borders: Sequence[Border] = (), words: str = "") -> str:
    """The block with its counts and a legend; tokens that hold `words` stand out."""
    legend = _legend(preview, bool(borders))
    return f'<div class="tp-preview">{_head(preview, count)}{legend}{_tokens(preview, borders, words)}</div>'


def neighbour_borders(preview: BlockPreview, neighbours: Sequence[BlockPreview]) -> list[Border]:
    """Where `neighbours` of the same text begin and end inside `preview`."""
    borders = []
    for other in neighbours:
        if preview.start is None or other.start is None or other.source != preview.source:
            continue
        for place, verb in ((other.start, "begins"), (other.end, "ends")):
            if place is not None and preview.start < place < (preview.end or 0):
                what = f"block {other.number + 1} ({other.kind}) {verb} here"
                borders.append(Border(place, what, verb == "begins"))
    return sorted(borders, key=lambda border: border.place)


def _head(preview: BlockPreview, count: int) -> str:
    words = [f"Block {preview.number + 1:,} of {count:,}", _KINDS.get(preview.kind, preview.kind), preview.source]
    if preview.section is not None:
        words.append(f"section {preview.section + 1:,}")
    if preview.start is not None and preview.end is not None:
        words.append(f"characters {preview.start:,} to {preview.end:,}")
    if preview.row is not None:
        words.append(f"row {preview.row:,}")
    ends = [name for name, there in (("BOS", preview.bos), ("EOS", preview.eos)) if there]
    words.append(" and ".join(ends) if ends else "neither BOS nor EOS")
    words += [preview.why] if preview.why else []
    return f'<p class="tp-headline">{text(" · ".join(words))}</p>'


def _legend(preview: BlockPreview, has_borders: bool) -> str:
    special = sum(token.special for token in preview.tokens)
    entries = (
        ("trained", f"trained: {preview.trained:,}"),
        ("untrained", f"not trained: {len(preview.tokens) - preview.trained:,}"),
        ("special", f"control tokens: {special:,}"),
    )
    spans = "".join(f'<span><s class="tp-{style}">a</s> {text(words)}</span>' for style, words in entries)
    border = '<span><i class="tp-border"></i> a neighbour begins or ends</span>' if has_borders else ""
    return f'<div class="tp-legend">{spans}{border}<span>{len(preview.tokens):,} tokens</span></div>'


def _tokens(preview: BlockPreview, borders: Sequence[Border], words: str) -> str:
    shown = preview.tokens[:MOST_TOKENS]
    found = _found(shown, words)
    left = list(borders)
    pieces = []
    place, added = preview.start or 0, _added(preview)
    for number, token in enumerate(shown):
        end = place + (0 if number in added else len(token.text))
        while left and _is_here(left[0], place, end):
            pieces.append(_border(left.pop(0)))
        pieces.append(_token(token, number, number in found))
        place = end
    pieces += map(_border, left if len(shown) == len(preview.tokens) else [])
    more = len(preview.tokens) - len(shown)
    cut = f'<p class="tp-none">{more:,} more tokens are not shown.</p>' if more else ""
    return f'<div class="tp-tokens">{"".join(pieces)}</div>{cut}'


def _added(preview: BlockPreview) -> set[int]:
    """The tokens that stand around the block's text and are none of it: BOS and EOS."""
    ends = ((preview.bos, 0), (preview.eos, len(preview.tokens) - 1))
    return {place for there, place in ends if there and preview.tokens[place].special} if preview.tokens else set()


def _is_here(border: Border, start: int, end: int) -> bool:
    """Whether the border stands before the token of these code points: a block that begins with the token's word (a
    token has the space before it too) begins before the token."""
    return border.place < end if border.begins else border.place <= start


def _border(border: Border) -> str:
    return f'<i class="tp-border" title="{text(border.what)}"></i>'


def _token(token: TokenPreview, number: int, found: bool) -> str:
    styles = ["tp-trained" if token.trained else "tp-untrained", "tp-odd" if number % 2 else "tp-even"]
    styles += ["tp-special"] if token.special else []
    styles += ["tp-found"] if found else []
    words = text(token.text).replace("\n", '<u class="tp-end">↵</u>\n')
    return f'<s class="{" ".join(styles)}" title="{token.id}">{words}</s>'


def _found(tokens: Sequence[TokenPreview], words: str) -> set[int]:
    """The numbers of the tokens in which `words` stand, upper and lower case alike."""
    if not words.strip():
        return set()
    whole = "".join(token.text for token in tokens)
    spans = [match.span() for match in re.finditer(re.escape(words), whole, re.IGNORECASE)]
    return {number for number, start, end in _places(tokens) if any(start < e and end > s for s, e in spans)}


def _places(tokens: Sequence[TokenPreview]) -> Iterator[tuple[int, int, int]]:
    place = 0
    for number, token in enumerate(tokens):
        yield number, place, place + len(token.text)
        place += len(token.text)
