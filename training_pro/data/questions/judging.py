"""What a model wrote, made a plain question, and why one is of no use. Costs well under a millisecond a question."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from training_pro.data.questions.languages import is_other_language, main_script

EMPTY = "empty"
NO_QUESTION = "no question"
REPEATS = "repeats the answer"
OTHER_LANGUAGE = "wrong language"
DUPLICATE = "duplicate"
TOO_LONG = "too long"
ABOUT_THE_TEXT = "asks about the text"
REASONS = (EMPTY, NO_QUESTION, REPEATS, OTHER_LANGUAGE, DUPLICATE, TOO_LONG, ABOUT_THE_TEXT)

MARKS = "?\uff1f\u061f\u037e\u2047"  # Latin, full width, Arabic, Greek, double
_MOST_CHARS = 400
_REPEATED_WORDS = 8  # in a row, and
_REPEATED_SHARE = 0.6  # of the question
_REPEATED_LETTERS = 15  # where words are not set apart
_UNSPACED = ("east asian", "THAI", "LAO", "KHMER", "MYANMAR")
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_FIRST_QUESTION = re.compile(rf"[^{MARKS}]*[{MARKS}]+")
_LABEL = re.compile(
    r"^\W*(?:\d+\s*[.):]\s*)?(?:[^:\n]{0,60}\b(?:question|q|frage|pregunta|domanda|pergunta|vraag|pytanie)\s*\d*\s*:)?",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_ABOUT_THE_TEXT = re.compile(
    r"\b(?:this|the|die|der|dies\w*|ce|cet|le|este|el|questo|il) "
    r"(text\w*|passages?|paragraph|excerpt|question|answer|abschnitt\w*|frage|extrait|pasaje|testo|brano)\b",
    re.IGNORECASE,
)


def is_done(written: str) -> bool:
    """Whether a model that writes this has asked its question: what follows is not looked at."""
    return _FIRST_QUESTION.search(_THOUGHTS.sub("", written)) is not None


def question_in(written: str) -> str:
    """The first question of what a model wrote, without thoughts, labels ("Question 1:") and quotation marks around;
    its first line where it asks nothing."""
    lines = [line.strip() for line in _THOUGHTS.sub("", written).splitlines() if line.strip()]
    asking = next((line for line in lines if _FIRST_QUESTION.search(line)), None)
    line = asking or (lines[0] if lines else "")
    label = _LABEL.match(line)
    plain = line[label.end() :] if label else line
    found = _FIRST_QUESTION.match(plain)
    whole = (found[0] if found else plain).strip().strip("*_\"'`\u201c\u201d\u201e\u00ab\u00bb ").strip()
    opening = re.match(r"\s*\W*([\u00bf\u00a1])", line)
    return opening[1] + whole if opening and not whole.startswith(opening[1]) else whole


def why_bad(question: str, answer: str, earlier: Iterable[str] = ()) -> str:
    """One of `REASONS` why `question` is of no use for `answer`; "" for a good one.

    `earlier`: the keys (see `key_of`) of the questions before it.
    """
    if not _WORD.search(question):
        return EMPTY
    if not question.rstrip("\"'\u201d\u00bb) ").endswith(tuple(MARKS)):
        return NO_QUESTION
    if len(question) > _MOST_CHARS:
        return TOO_LONG
    if _repeats(question, answer):
        return REPEATS
    if is_other_language(question, answer):
        return OTHER_LANGUAGE
    about = _ABOUT_THE_TEXT.search(question)
    if about is not None and about[1].casefold() not in _words(answer):
        return ABOUT_THE_TEXT
    return DUPLICATE if key_of(question) in earlier else ""


def key_of(question: str) -> str:
    """The same for questions that differ in letter case, spaces and signs alone."""
    return " ".join(_words(question))


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _repeats(question: str, answer: str) -> bool:
    """Whether a long stretch of the question is the answer's own words."""
    asked, said = _words(question), _words(answer)
    if not asked:
        return False
    if main_script(question) in _UNSPACED:
        asked, said = list("".join(asked)), list("".join(said))
        return _run(asked, said) >= max(_REPEATED_LETTERS, _REPEATED_SHARE * len(asked))
    return _run(asked, said) >= max(_REPEATED_WORDS, _REPEATED_SHARE * len(asked))


def _run(asked: list[str], said: list[str]) -> int:
    """The longest stretch that is in both."""
    return SequenceMatcher(None, asked, said, autojunk=False).find_longest_match(0, len(asked), 0, len(said)).size
