"""Subtitles (.srt, .vtt, .ass, .ssa) to text by pysubs2: what is said, as running text, without numbers and times."""

from __future__ import annotations

import html
import re
from collections import Counter

from training_pro.data.documents.extracted import Extracted
from training_pro.errors import DataError
from training_pro.words import reason_of

LONG_PAUSE_MS = 4000  # begins a new paragraph
_INNER_TIMES = re.compile(r"<\d[\d:.]*>|</?c[^>]*>")  # of captions that show word by word
_TIMES = re.compile(r"^\d\d:\d\d(?::\d\d)?[,.]\d{3} --> \d\d:", re.MULTILINE)
_FEWEST_CUES = 5
_VTT = re.compile(r"\s*WEBVTT\b")
_VTT_ASIDE = re.compile(r"(?:NOTE|STYLE|REGION)\b")
_VTT_NAME = re.compile(r"\A[^\n]*\n(?=[^\n]*-->)")  # a name that a caption has of its own
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_ENDS = re.compile(r"[.!?\u2026:\u3002\uff01\uff1f][\"'\u201d\u2019)\]\u266a]*$")
_NEW_SPEAKER = re.compile(r"[-\u2013\u2014>\u266a\[(]|[^\W\d_][\w .'-]{0,30}: ")


def subtitles_note(name: str, text: str) -> str:
    """What to say of a plain text that is subtitles, with their times; "" for another."""
    if len(_TIMES.findall(text)) < _FEWEST_CUES:
        return ""
    return (
        f"{name} holds subtitles: their numbers and times would be learned too. Rename it to "
        f"{name.rpartition('.')[0] or name}.srt, and only what is said is learned."
    )


def subtitle_text(text: str, name: str) -> Extracted:
    """What is said in the subtitles `text`: a line for each sentence or speaker, a paragraph after a long pause.

    A caption that repeats the line before it, as those made by machine do, is taken once.

    Raises:
        DataError: it holds no subtitles.
    """
    import pysubs2

    prepared = _VOICE.sub(r"\1: ", _INNER_TIMES.sub("", _cues_alone(text)))
    try:
        cues = [cue for cue in pysubs2.SSAFile.from_string(prepared) if not cue.is_comment]
    except (pysubs2.exceptions.Pysubs2Error, ValueError) as error:
        reason = reason_of(error, 120)
        raise DataError(f"{name} can't be read as subtitles ({reason}); check the file.") from None
    removed: Counter[str] = Counter({"times of subtitles": len(cues)})
    pieces: list[str] = []
    last, ended_ms = "", 0
    for cue in cues:
        for line in _lines(html.unescape(cue.plaintext)):
            if line == last:
                removed["repeated lines"] += 1
                continue
            pieces.append(_between(pieces, line, cue.start - ended_ms) + line)
            last, ended_ms = line, max(ended_ms, cue.start)  # the caption's next line follows at once
        ended_ms = cue.end
    if not pieces:
        raise DataError(f"{name} holds no subtitles; check the file.")
    return Extracted("".join(pieces) + "\n", +removed)


def _cues_alone(text: str) -> str:
    """WebVTT without its comments, its styles and the captions' names; other subtitles as they are."""
    if not _VTT.match(text):
        return text
    blocks = re.split(r"\n[ \t]*\n", text)
    return "\n\n".join(_VTT_NAME.sub("", block.strip("\n")) for block in blocks if not _VTT_ASIDE.match(block.lstrip()))


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _between(before: list[str], line: str, pause_ms: int) -> str:
    if not before:
        return ""
    if pause_ms >= LONG_PAUSE_MS:
        return "\n\n"
    return "\n" if _ENDS.search(before[-1]) or _NEW_SPEAKER.match(line) else " "
