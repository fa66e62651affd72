"""Whether the words after a quotation only say who spoke: then its stop ends no sentence ("Run!" Ada cried.).

A tag in small letters needs no list: no sentence starts with one. Costs one bounded regex match per quotation.
"""

from __future__ import annotations

import re

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
_TAG_CHARS = 48  # no farther than this a tag is looked for


def names_speaker(text: str, at: int) -> bool:
    """Whether a tag starts at `at`, after a closing quote and white space."""
    return bool(_NAMED.match(text, at, at + _TAG_CHARS) or _UNCASED.match(text, at, at + _TAG_CHARS))


def continues_speech(text: str, at: int) -> bool:
    """Whether a Chinese or Japanese tag or particle starts at `at`, directly after a closing quote."""
    return _JOINED.match(text, at, at + _TAG_CHARS) is not None
