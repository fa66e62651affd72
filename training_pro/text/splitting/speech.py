"""Plays printed as "Hamlet. To be, or not to be": the names before the speeches.

Such a name looks like a sentence of one word. It is recognized by its surroundings: in a play, most paragraphs start
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


_ENGLISH = (
    "said|says|asked|asks|replied|cried|answered|shouted|whispered|exclaimed|muttered|murmured|called|yelled|"
    "screamed|demanded|returned|added|continued|inquired|enquired|remarked|observed|ejaculated|roared|sighed|thought"
)
_NAMED = re.compile(rf"(?:I|(?:(?:Mr|Mrs|Dr|Miss|Sir|Lady|Captain)\.?\s)?[A-Z][\w'\u2019-]+)\s(?:{_ENGLISH})\b")
# Scripts without capitals: a verb of saying within the next few words. Korean, Hindi, Bengali, Arabic, Persian, Urdu,
# Hebrew.
_UNCASED_VERBS = (
    "말했|물었|대답했|외쳤|속삭|소리쳤|중얼|कहा|पूछा|বলল|জিজ্ঞাসা|কহিল|"
    "قال|سأل|صاح|أجاب|همس|گفت|پرسید|فریاد|کہا|پوچھا|אמר|שאל|ענה|צעק|לחש"
)
_UNCASED = re.compile(rf"[^.!?…।۔؟\n\"“”«»]{{0,25}}?(?:{_UNCASED_VERBS})")
# Chinese and Japanese, where no space parts the quotation from its tag, and Japanese particles that go on after one.
_JOINED = re.compile(
    "[とっなでのがはをにも、，—]"
    r"|[^。！？，、「」“”\s]{0,6}(?:说|說|问|問|道[：，。]|喊|叫|答)"
    r"|[^。！？、「」\s]{0,12}(?:言っ|言う|聞い|叫ん|尋ね|訊い|つぶや)"
)
_TAG_CHARS = 48  # the search for a tag goes no farther


def names_speaker(text: str, at: int) -> bool:
    """Whether a tag starts at `at`, after a closing quote and white space."""
    return bool(_NAMED.match(text, at, at + _TAG_CHARS) or _UNCASED.match(text, at, at + _TAG_CHARS))


def continues_speech(text: str, at: int) -> bool:
    """Whether a Chinese or Japanese tag or particle starts at `at`, directly after a closing quote."""
    return _JOINED.match(text, at, at + _TAG_CHARS) is not None
