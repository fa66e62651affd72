"""Plays printed as "Hamlet. To be, or not to be": the names before the speeches.

Such a name looks like a sentence of one word. It is told from one by its company: in a play, most paragraphs start
with a name, and the names come again. Costs array passes, and in a play a regex match per paragraph.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from training_pro.text.splitting.characters import LETTER, LOWER, Offsets, Scan

_NAME = r"[^\W\d_][\w'\u2019-]*"
_LABEL = re.compile(rf"({_NAME}(?: {_NAME}){{0,2}})(?: [(\[][^)\]\n]*[)\]])?\.[ \t]+(?=\S)")
_LABEL_CHARS = 60  # a name and a direction in brackets are no longer


def speaker_labels(scan: Scan, paragraphs: Offsets) -> list[tuple[int, int]]:
    """Starts and ends of the names that speak, rising; `paragraphs`: where paragraphs start. None outside plays."""
    stops = np.flatnonzero(scan.codes == ord("."))
    next_stops = np.append(stops, len(scan.text) + _LABEL_CHARS)[np.searchsorted(stops, paragraphs)]
    likely = scan.has(paragraphs, LETTER) & ~scan.has(paragraphs, LOWER) & (next_stops - paragraphs < _LABEL_CHARS)
    if 2 * np.count_nonzero(likely) < len(paragraphs):
        return []
    labels = [label for at in paragraphs[likely].tolist() if (label := _LABEL.match(scan.text, at))]
    count = Counter(label.group(1) for label in labels)
    names = [label for label in labels if count[label.group(1)] > 1]
    return [label.span() for label in names] if 2 * len(names) >= len(paragraphs) and _alternate(names) else []


def _alternate(names: Iterable[re.Match[str]]) -> bool:
    """Whether more than one person speaks."""
    return len({name.group(1) for name in names}) > 1
